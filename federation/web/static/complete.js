// Suggests what the beginning of a search may become (WAI-ARIA 1.2: editable combobox with a list).
// Without this script the search box is a plain one, and everything else is the same.
"use strict";

(() => {
  const box = document.getElementById("q");
  if (!box) return;

  const SHORTEST = 2; // letters after which something is suggested
  const PAUSE = 150; // milliseconds without a key before the node is asked
  const LONGEST = 400; // as the box itself
  const SHOWN = 8;

  const list = document.createElement("ul");
  list.id = "suggestions";
  list.className = "suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", box.dataset.suggestions);
  const said = document.createElement("div");
  said.className = "hidden";
  said.setAttribute("role", "status");
  box.after(list, said);

  box.type = "text"; // a search field may not be a combobox (ARIA in HTML)
  box.inputMode = "search";
  box.enterKeyHint = "search";
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-expanded", "false");

  let active = -1;
  let timer = 0;
  let asking = null;

  function mark(number) {
    active = number;
    for (const [index, option] of [...list.children].entries()) {
      option.setAttribute("aria-selected", String(index === number));
    }
    if (number < 0) {
      box.removeAttribute("aria-activedescendant");
    } else {
      box.setAttribute("aria-activedescendant", list.children[number].id);
      list.children[number].scrollIntoView({ block: "nearest" });
    }
  }

  function close() {
    clearTimeout(timer);
    if (asking) asking.abort();
    list.hidden = true;
    said.textContent = "";
    box.setAttribute("aria-expanded", "false");
    mark(-1);
  }

  function show(texts) {
    list.replaceChildren(
      ...texts.map((text, number) => {
        const option = document.createElement("li");
        option.id = `suggestion-${number}`;
        option.setAttribute("role", "option");
        option.textContent = text;
        return option;
      }),
    );
    if (!texts.length) return close();
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    mark(-1);
    said.textContent = box.dataset.count.replace("{n}", texts.length);
  }

  async function ask() {
    const typed = box.value.trim();
    if (asking) asking.abort();
    if (typed.length < SHORTEST) return close();
    const current = (asking = new AbortController());
    try {
      const query = new URLSearchParams({ q: typed, lang: document.documentElement.lang });
      const answer = await fetch(`/api/complete?${query}`, { signal: current.signal, credentials: "omit" });
      const items = answer.ok ? (await answer.json()).items : [];
      if (current.signal.aborted || document.activeElement !== box) return;
      show([...new Set(items.map((item) => item.text))].slice(0, SHOWN));
    } catch {
      if (!current.signal.aborted) close(); // nothing is suggested where the node does not answer
    }
  }

  function choose(option) {
    box.value = option.textContent.slice(0, LONGEST);
    close();
    box.form.requestSubmit();
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });

  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    const last = list.children.length - 1;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) ask();
      else if (event.key === "ArrowDown") mark(active < last ? active + 1 : -1);
      else mark(active < 0 ? last : active - 1);
    } else if (event.key === "Enter" && open && active >= 0) {
      event.preventDefault();
      choose(list.children[active]);
    } else if (event.key === "Enter") {
      close();
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });

  box.addEventListener("blur", close);
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(option);
  });
})();
