/**
 * JSON as Azure Resource Manager takes it, to values that know their place: with comments of both forms, strings over several lines, and a
 * comma after the last item (Azure docs: templates/syntax, Comments and metadata, Multi-line strings).
 *
 * Text is hostile until shown otherwise: depth and number of values are bounded before they cost anything.
 */

import type { LineCounter } from "yaml";
import { excerpt, type Finding, type Path } from "./problem.ts";
import type { Scalar } from "./scalar.ts";
import type { Entry, Tree } from "./tree.ts";

export type JsonBounds = { readonly depth: number; readonly values: number };

type Complain = (offset: number, finding: Finding, path: Path) => void;

/** `undefined` when the text is empty, or no JSON, which is reported. Starts of lines are added to `lines`. */
export function readJson(text: string, lines: LineCounter, bounds: JsonBounds, complain: Complain): Tree | undefined {
  for (let at = 0; at >= 0; at = text.indexOf("\n", at) + 1 || -1) lines.addNewLine(at);
  const reader = new JsonReader(text, bounds, complain);
  try {
    return reader.document();
  } catch (error) {
    if (!(error instanceof SyntaxStop)) throw error;
    const { offset, path, finding } = error;
    complain(offset, finding, path);
    return undefined;
  }
}

/** Thrown inside the reader where it cannot go on. */
class SyntaxStop extends Error {
  readonly offset: number;
  readonly path: Path;
  readonly finding: Finding;

  constructor(offset: number, path: Path, finding: Finding) {
    super(finding.message);
    this.offset = offset;
    this.path = path;
    this.finding = finding;
  }
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

const words: ReadonlyMap<string, Scalar> = new Map<string, Scalar>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

class JsonReader {
  readonly #text: string;
  readonly #bounds: JsonBounds;
  readonly #complain: Complain;
  /** From the document to where the reader is. */
  readonly #path: (string | number)[] = [];
  #at: number;
  #values = 0;

  constructor(text: string, bounds: JsonBounds, complain: Complain) {
    this.#text = text;
    this.#bounds = bounds;
    this.#complain = complain;
    this.#at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  }

  document(): Tree | undefined {
    this.#skipSpace();
    if (this.#at >= this.#text.length) return undefined;
    const root = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#stop("there is more after the end of the JSON value", "a file holds one value");
    return root;
  }

  #stop(message: string, fix?: string, offset = this.#at): never {
    throw new SyntaxStop(offset, [...this.#path], { code: "JsonSyntax", message, ...(fix === undefined ? {} : { fix }) });
  }

  #tooLarge(message: string): never {
    throw new SyntaxStop(this.#at, [], { code: "DocumentTooLarge", message });
  }

  #value(): Tree {
    if (++this.#values > this.#bounds.values) this.#tooLarge(`the file has more than ${this.#bounds.values} values`);
    if (this.#path.length > this.#bounds.depth) this.#tooLarge(`values are nested more than ${this.#bounds.depth} deep`);
    const offset = this.#at;
    const first = this.#text[offset];
    if (first === "{") return this.#map();
    if (first === "[") return this.#list();
    if (first === '"') {
      const value = this.#string();
      return { kind: "scalar", value, text: value, offset, size: 1 };
    }
    const [text = ""] = /^[-+.\w]*/.exec(this.#text.slice(offset, offset + 400)) ?? [];
    const word = words.get(text);
    if (word === undefined && !/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(text)) {
      this.#stop(`a value cannot begin with ${this.#here()}`, text === "" ? undefined : "put text in double quotes");
    }
    this.#at += text.length;
    return { kind: "scalar", value: word === undefined ? Number(text) : word, text, offset, size: 1 };
  }

  #map(): Tree {
    const offset = this.#at;
    const entries = new Map<string, Entry>();
    let size = 1;
    this.#items("}", () => {
      const at = this.#at;
      if (this.#text[at] !== '"') this.#stop(`the name of a property is wanted; here is ${this.#here()}`, "put the name in double quotes");
      const key = this.#string();
      this.#path.push(key);
      this.#skipSpace();
      if (this.#text[this.#at] !== ":") this.#stop(`a colon is wanted after the name; here is ${this.#here()}`);
      this.#at++;
      this.#skipSpace();
      const value = this.#value();
      if (key === "__proto__") {
        this.#complain(at, { code: "InvalidKey", message: "__proto__ is not accepted as a key" }, [...this.#path]);
      } else if (entries.has(key)) {
        const message = `${JSON.stringify(excerpt(key))} is there twice; the second would hide the first`;
        this.#complain(at, { code: "DuplicateKey", message }, [...this.#path]);
      } else {
        entries.set(key, { offset: at, value });
        size += value.size;
      }
      this.#path.pop();
    });
    return { kind: "map", entries, offset, size };
  }

  #list(): Tree {
    const offset = this.#at;
    const items: Tree[] = [];
    let size = 1;
    this.#items("]", () => {
      this.#path.push(items.length);
      const item = this.#value();
      this.#path.pop();
      items.push(item);
      size += item.size;
    });
    return { kind: "list", items, offset, size };
  }

  /** What is between the bracket here and its `close`. */
  #items(close: string, read: () => void): void {
    this.#at++;
    for (;;) {
      this.#skipSpace();
      if (this.#text[this.#at] === close) break;
      read();
      this.#skipSpace();
      if (this.#text[this.#at] === ",") this.#at++;
      else if (this.#text[this.#at] !== close) this.#stop(`a comma or ${close} is wanted; here is ${this.#here()}`);
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    const parts: string[] = [];
    let from = start + 1;
    for (let at = from; at < this.#text.length; at++) {
      const char = this.#text[at];
      if (char === '"') {
        this.#at = at + 1;
        parts.push(this.#text.slice(from, at));
        return parts.join("");
      }
      if (char !== "\\") continue;
      parts.push(this.#text.slice(from, at));
      at++;
      const escaped = this.#text[at] ?? "";
      const plain = Object.hasOwn(escapes, escaped) ? escapes[escaped] : undefined;
      const digits = this.#text.slice(at + 1, at + 5);
      if (plain !== undefined) parts.push(plain);
      else if (escaped === "u" && /^[\da-fA-F]{4}$/.test(digits)) {
        parts.push(String.fromCharCode(Number.parseInt(digits, 16)));
        at += 4;
      } else this.#stop(`JSON knows no escape \\${excerpt(escaped)}`, "write a backslash itself as \\\\", at - 1);
      from = at + 1;
    }
    return this.#stop("the text that begins here has no closing quote", undefined, start);
  }

  #skipSpace(): void {
    for (;;) {
      const char = this.#text[this.#at];
      if (char === " " || char === "\n" || char === "\r" || char === "\t") this.#at++;
      else if (char === "/" && this.#text[this.#at + 1] === "/") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (char === "/" && this.#text[this.#at + 1] === "*") {
        const end = this.#text.indexOf("*/", this.#at + 2);
        if (end < 0) this.#stop("the comment that begins here has no end", "write */ where it ends");
        this.#at = end + 2;
      } else return;
    }
  }

  #here(): string {
    const char = this.#text[this.#at];
    return char === undefined ? "the end of the file" : JSON.stringify(char);
  }
}
