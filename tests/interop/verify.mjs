// Verifies a signed record with independent Data Integrity libraries, off-line.
//
//   node verify.mjs case.json
//
// case.json: {"document": the signed JSON-LD, "contexts": {IRI: context document}, "did": the DID document}.
// Prints {"verified": true} or {"verified": false, "errors": [...]}. Nothing is fetched: what the file does
// not hold does not exist.

import {readFile} from 'node:fs/promises';
import jsigs from 'jsonld-signatures';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';

const {document, contexts, did} = JSON.parse(await readFile(process.argv[2], 'utf8'));

const known = new Map(Object.entries(contexts));
known.set(did.id, did);
for(const method of did.verificationMethod) {
  known.set(method.id, {'@context': 'https://w3id.org/security/multikey/v1', ...method});
}

async function documentLoader(url) {
  if(!known.has(url)) {
    throw new Error(`Not among the given documents: ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document: known.get(url)};
}

const {verified, error} = await jsigs.verify(document, {
  suite: new DataIntegrityProof({cryptosuite}),
  purpose: new jsigs.purposes.AssertionProofPurpose({controller: did}),
  documentLoader
});
const errors = verified ? [] : (error?.errors ?? [error]).map(each => String(each?.message ?? each));
process.stdout.write(JSON.stringify({verified, errors}) + '\n');
