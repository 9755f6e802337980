/** The library for foreign calls, loaded when the first is made: commands that work on files need none of it, nor a machine that has it. */

import { createRequire } from "node:module";

type Koffi = typeof import("koffi");

let loaded: Koffi | undefined;

export function koffi(): Koffi {
  loaded ??= createRequire(import.meta.url)("koffi") as Koffi;
  return loaded;
}
