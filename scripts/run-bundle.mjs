// Runs a CommonJS bundle as Node would, from text that is compiled with a code cache or without.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { constants, Script } from "node:vm";

/** The compiled script, which {@link https://nodejs.org/api/vm.html#scriptcreatecacheddata can give its code cache}. */
export function runBundle(filename, cachedData) {
  // Bundles are ASCII: text of one byte a character is read and hashed fastest.
  const text = readFileSync(filename, "latin1");
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${text}\n})`, {
    filename,
    cachedData,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(filename), module, filename, dirname(filename));
  return script;
}
