"""How records come in and go out other than by the feed: spreadsheets, JSON, linked data, notices. Pure."""
