/**
 * YAML and JSON to values that know their place. A file that is called JSON may have what Azure's templates have (`json.ts`).
 *
 * Text is hostile until shown otherwise: size, number of tokens, depth, and the size after aliases are expanded are bounded, each before the work
 * that it bounds. The depth is checked on the parser's own stack, token by token, because composing a deep document would recurse.
 * Maps are kept as `Map`, so that `__proto__` is a key like any other; it is refused all the same.
 */

import { Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, type ParsedNode, Parser } from "yaml";
import type { DocumentFile } from "./index.ts";
import { readJson } from "./json.ts";
import { excerpt, type Finding, formatPath, type Path, type Problem } from "./problem.ts";
import { numberOf, plainScalar, type Scalar } from "./scalar.ts";

export const bounds = {
  /** Characters of a file, and of all files of a lab. The largest public manifests have some 3 million. */
  fileLength: 16 * 1024 * 1024,
  totalLength: 64 * 1024 * 1024,
  /** YAML tokens of a file; about 8 per line. */
  tokens: 2_000_000,
  depth: 64,
  /** Of JSON, where templates are nested in templates. */
  jsonDepth: 256,
  documents: 20_000,
  /** Values of a document with every alias expanded. */
  expanded: 1_000_000,
  problemsPerFile: 100,
  syntaxErrors: 5,
} as const;

/** Offsets count UTF-16 units from the start of the file. `size` is the number of values in it, aliases expanded. */
export type Tree =
  | { readonly kind: "map"; readonly entries: ReadonlyMap<string, Entry>; readonly offset: number; readonly size: number }
  | { readonly kind: "list"; readonly items: readonly Tree[]; readonly offset: number; readonly size: number }
  /** `text` is what was written, without quotes: `1.30` is the number 1.3. */
  | { readonly kind: "scalar"; readonly value: Scalar; readonly text: string; readonly offset: number; readonly size: 1 };

export type Entry = { readonly offset: number; readonly value: Tree };

/** One document of a file. */
export type Source = {
  readonly file: string;
  readonly root: Tree;
  readonly lines: LineCounter;
};

export type Report = (problem: Problem) => void;

/** The documents of a file that could be read; the others are reported. Empty ones are left out. */
export function parseSources(file: DocumentFile, report: Report): readonly Source[] {
  const lines = new LineCounter();
  const reader = new Reader(file.path, lines, report);
  if (file.text.length > bounds.fileLength) {
    reader.problem(undefined, {
      code: "DocumentTooLarge",
      message: `the file has ${file.text.length} characters; at most ${bounds.fileLength} are read`,
      fix: "split it into several files",
    });
    return [];
  }
  const control = controlCharacter(file.text);
  if (control !== undefined) {
    const at = lineAndColumn(file.text, control);
    const code = file.text.charCodeAt(control).toString(16).padStart(4, "0").toUpperCase();
    report({
      code: "InvalidCharacter",
      severity: "error",
      file: file.path,
      ...at,
      path: "",
      message: `control character U+${code}: the file is no text`,
      source: "YAML 1.2.2, 5.1 Character Set",
      fix: "save the file as UTF-8 text without control characters",
    });
    return [];
  }
  return isJson(file) ? reader.readJson(file.text) : reader.read(file.text);
}

/** By its name and its first character: one that says more than JSON can is YAML all the same. */
function isJson({ path, text }: DocumentFile): boolean {
  return /\.jsonc?$/i.test(path) && /^\uFEFF?\s*[{[/]/.test(text);
}

/** Tab, line feed, carriage return and next line are the only control characters of YAML. */
function controlCharacter(text: string): number | undefined {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 ? code !== 9 && code !== 10 && code !== 13 : code === 0x7f || code >= 0xfffe) return i;
  }
  return undefined;
}

function lineAndColumn(text: string, offset: number): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", start)) {
    line++;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

/** Thrown inside the reader when a bound is passed, after reporting it. */
class Stop extends Error {}

class Reader {
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #report: Report;
  #problems = 0;

  constructor(file: string, lines: LineCounter, report: Report) {
    this.#file = file;
    this.#lines = lines;
    this.#report = report;
  }

  problem(offset: number | undefined, finding: Finding, path: Path = []): void {
    if (this.#problems++ > bounds.problemsPerFile) return;
    const at = offset === undefined ? undefined : this.#lines.linePos(offset);
    const place = at === undefined || at.line < 1 ? {} : { line: at.line, column: at.col };
    this.#report({ severity: "error", ...finding, file: this.#file, ...place, path: formatPath(path) });
  }

  readJson(text: string): readonly Source[] {
    const before = this.#problems;
    const limits = { depth: bounds.jsonDepth, values: bounds.expanded };
    const root = readJson(text, this.#lines, limits, (offset, finding, path) => this.problem(offset, finding, path));
    return root === undefined || this.#problems > before ? [] : [{ file: this.#file, root, lines: this.#lines }];
  }

  read(text: string): readonly Source[] {
    const sources: Source[] = [];
    // All scalars come as text; what they mean is decided here, as kubectl does it.
    const composer = new Composer({ schema: "failsafe", version: "1.2", uniqueKeys: false, prettyErrors: false, logLevel: "silent" });
    const parser = new Parser(this.#lines.addNewLine);
    // The parser reports the starts of lines that follow, not that of the first.
    this.#lines.addNewLine(0);
    let documents = 0;
    const take = (document: Document.Parsed<ParsedNode>) => {
      if (++documents > bounds.documents) {
        this.#stop(document.range[0], `more than ${bounds.documents} documents in one file`, "split the file");
      }
      const root = this.#document(document, text);
      if (root !== undefined) sources.push({ file: this.#file, root, lines: this.#lines });
    };
    try {
      let tokens = 0;
      const lexer = new Lexer();
      for (const lexeme of lexer.lex(text)) {
        if (++tokens > bounds.tokens) this.#stop(parser.offset, `more than ${bounds.tokens} YAML tokens in one file`, "split the file");
        for (const token of parser.next(lexeme)) for (const document of composer.next(token)) take(document);
        // A level of a document takes two of the parser's at most.
        if (parser.stack.length > 2 * bounds.depth + 4) {
          this.#stop(parser.offset, `values are nested more than ${bounds.depth} deep`, "no lab and no manifest needs that");
        }
      }
      for (const token of parser.end()) for (const document of composer.next(token)) take(document);
      for (const document of composer.end()) take(document);
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      return [];
    }
    return sources;
  }

  #stop(offset: number, message: string, fix: string): never {
    this.problem(offset, { code: "DocumentTooLarge", message, fix });
    throw new Stop(message);
  }

  #document(document: Document.Parsed<ParsedNode>, text: string): Tree | undefined {
    // One slip makes others after it: the first few say it all.
    for (const error of document.errors.slice(0, bounds.syntaxErrors)) {
      this.problem(error.pos[0], { code: "YamlSyntax", message: sentence(error.message), ...hint(error.message, text, error.pos[0]) });
    }
    for (const warning of document.warnings.slice(0, bounds.syntaxErrors)) {
      // The failsafe schema knows no tags; those that there are, are looked at below.
      if (warning.code !== "TAG_RESOLVE_FAILED") {
        this.problem(warning.pos[0], { code: "YamlSyntax", severity: "warning", message: sentence(warning.message) });
      }
    }
    if (document.errors.length > 0 || document.contents === null) return undefined;
    const before = this.#problems;
    const root = new TreeMaker((offset, finding, path) => this.problem(offset, finding, path)).make(document.contents);
    if (this.#problems > before || root === undefined) return undefined;
    return root.kind === "scalar" && root.value === null ? undefined : root;
  }
}

function sentence(message: string): string {
  return excerpt(message.split("\n", 1)[0] ?? message);
}

/** Text that is YAML only after another tool has been at it. */
function hint(message: string, text: string, offset: number): { readonly fix?: string } {
  const before = text.slice(Math.max(offset - 200, 0), offset);
  const after = text.slice(offset, offset + 200);
  const line = before.slice(before.lastIndexOf("\n") + 1) + (after.split("\n", 1)[0] ?? "");
  if (line.includes("{{")) return { fix: "this looks like a template: render it first, such as with `helm template`" };
  if (/^[<>=|]{7}/.test(line)) return { fix: "resolve the merge conflict" };
  if (message.startsWith("Tabs")) return { fix: "indent with spaces" };
  return {};
}

type Complain = (offset: number, finding: Finding, path: Path) => void;

/** The standard tags; an explicit one decides what a scalar means. */
const tagPrefix = "tag:yaml.org,2002:";

/** One document's nodes to trees. Each node is made once; an alias is the tree that it names. */
class TreeMaker {
  readonly #complain: Complain;
  readonly #anchors = new Map<string, Tree>();
  /** Anchors whose node is not finished: an alias to one would be a value inside itself. */
  readonly #open = new Set<string>();
  #size = 0;

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  make(node: Node): Tree | undefined {
    return this.#make(node, [], 0);
  }

  #make(node: unknown, path: Path, offset: number): Tree | undefined {
    if (isAlias(node)) return this.#alias(node.source, node.range?.[0] ?? offset, path);
    const at = rangeStart(node) ?? offset;
    if (path.length > bounds.depth) {
      this.#complain(at, { code: "DocumentTooLarge", message: `values are nested more than ${bounds.depth} deep` }, []);
      return undefined;
    }
    const anchor = isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
    if (anchor !== undefined) this.#open.add(anchor);
    const tree = this.#value(node, path, at);
    if (anchor !== undefined) {
      this.#open.delete(anchor);
      if (tree !== undefined) this.#anchors.set(anchor, tree);
    }
    return tree;
  }

  #value(node: unknown, path: Path, offset: number): Tree | undefined {
    if (node === null || node === undefined) return this.#counted({ kind: "scalar", value: null, text: "", offset, size: 1 });
    if (isScalar(node)) return this.#scalar(node, path, offset);
    if (isSeq(node)) {
      const items: Tree[] = [];
      let size = 1;
      for (const [index, item] of node.items.entries()) {
        const tree = this.#make(item, [...path, index], offset);
        if (tree === undefined) continue;
        items.push(tree);
        size += tree.size;
      }
      return this.#counted({ kind: "list", items, offset, size });
    }
    if (isMap(node)) return this.#map(node, path, offset);
    this.#complain(offset, { code: "YamlSyntax", message: "a value that is neither mapping, list nor scalar" }, path);
    return undefined;
  }

  #map(node: { readonly items: readonly { readonly key: unknown; readonly value: unknown }[] }, path: Path, offset: number): Tree {
    const entries = new Map<string, Entry>();
    const merged: Tree[] = [];
    let size = 1;
    for (const pair of node.items) {
      const at = rangeStart(pair.key) ?? offset;
      const key = this.#key(pair.key, at, path);
      if (key === undefined) continue;
      const value = this.#make(pair.value, [...path, key], at);
      if (value === undefined) continue;
      size += value.size;
      if (key === "<<" && isPlain(pair.key)) {
        merged.push(...(value.kind === "list" ? value.items : [value]));
        continue;
      }
      const first = entries.get(key);
      if (first !== undefined) {
        this.#complain(
          at,
          { code: "DuplicateKey", message: `${JSON.stringify(excerpt(key))} is there twice; the second would hide the first` },
          [...path, key],
        );
        continue;
      }
      entries.set(key, { offset: at, value });
    }
    for (const source of merged) {
      if (source.kind !== "map") {
        this.#complain(source.offset, { code: "YamlSyntax", message: "<< merges mappings only" }, path);
        continue;
      }
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return this.#counted({ kind: "map", entries, offset, size });
  }

  #key(node: unknown, offset: number, path: Path): string | undefined {
    if (node === null) return "";
    const alias = isAlias(node) ? this.#anchors.get(node.source) : undefined;
    const text = alias?.kind === "scalar" ? String(alias.value) : isScalar(node) ? String(node.value ?? "") : undefined;
    if (text === undefined) {
      this.#complain(offset, { code: "YamlSyntax", message: "a key must be text", fix: "quote it" }, path);
    } else if (text === "__proto__") {
      this.#complain(offset, { code: "InvalidKey", message: "__proto__ is not accepted as a key" }, path);
      return undefined;
    }
    return text;
  }

  #scalar(node: { readonly value: unknown; readonly tag?: string | undefined; readonly type?: string | null }, path: Path, offset: number) {
    const text = String(node.value ?? "");
    const tag = node.tag;
    let value: Scalar = text;
    if (tag === undefined) value = node.type === "PLAIN" || node.type === undefined ? plainScalar(text) : text;
    else if (tag === `${tagPrefix}int` || tag === `${tagPrefix}float`) value = numberOf(text) ?? text;
    else if (tag === `${tagPrefix}bool` || tag === `${tagPrefix}null`) value = plainScalar(text);
    else if (tag !== `${tagPrefix}str` && tag !== "!" && tag !== `${tagPrefix}binary` && tag !== `${tagPrefix}timestamp`) {
      this.#complain(offset, { code: "YamlSyntax", message: `tag ${excerpt(tag)} is not known`, fix: "leave the tag out" }, path);
    }
    return this.#counted({ kind: "scalar", value, text, offset, size: 1 });
  }

  #alias(name: string, offset: number, path: Path): Tree | undefined {
    const target = this.#anchors.get(name);
    if (target === undefined) {
      const why = this.#open.has(name) ? "stands for a value that it is itself in" : "has no anchor before it";
      this.#complain(offset, { code: "YamlSyntax", message: `alias *${excerpt(name)} ${why}` }, path);
      return undefined;
    }
    return this.#add(target.size, offset, path) ? target : undefined;
  }

  #counted(tree: Tree): Tree {
    this.#size++;
    return tree;
  }

  /** False, once reported, when the document would be too large with the alias expanded. */
  #add(size: number, offset: number, path: Path): boolean {
    this.#size += size;
    if (this.#size <= bounds.expanded) return true;
    if (this.#size - size <= bounds.expanded) {
      const message = `with its aliases expanded the document has more than ${bounds.expanded} values`;
      this.#complain(offset, { code: "DocumentTooLarge", message, fix: "write values out instead of repeating aliases" }, path);
    }
    this.#size = bounds.expanded + 1;
    return false;
  }
}

function rangeStart(node: unknown): number | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) || isAlias(node) ? node.range?.[0] : undefined;
}

function isPlain(node: unknown): boolean {
  return isScalar(node) && node.type === "PLAIN";
}

export type Place = { readonly line: number; readonly column: number; readonly exact: boolean };

/** Line and column of a part: of its key for a mapping's, else of the nearest part around it that exists (`exact` is false then). */
export function placeOf(source: Source, path: Path, of: "key" | "value" = "value"): Place {
  let part: Tree = source.root;
  let offset = part.offset;
  let exact = true;
  for (const [index, step] of path.entries()) {
    const entry: Entry | undefined = part.kind === "map" && typeof step === "string" ? part.entries.get(step) : undefined;
    const item: Tree | undefined = part.kind === "list" && typeof step === "number" ? part.items[step] : entry?.value;
    if (item === undefined) {
      exact = false;
      break;
    }
    const isLast = index === path.length - 1;
    offset = entry !== undefined && (of === "key" || item.kind !== "scalar" || !isLast) ? entry.offset : item.offset;
    part = item;
  }
  const { line, col } = source.lines.linePos(offset);
  return { line, column: col, exact };
}

/** The plain value. Own properties only, whatever their names; a tree that aliases share is converted once per `seen`. */
export function toJson(tree: Tree): unknown {
  switch (tree.kind) {
    case "scalar":
      return tree.value;
    case "list":
      return tree.items.map(toJson);
    case "map":
      return Object.fromEntries([...tree.entries].map(([key, entry]) => [key, toJson(entry.value)]));
    default:
      return tree satisfies never;
  }
}
