/**
 * Rulesets as text for `nft -f`: whole, or as the change from one to another. The same input gives the same bytes.
 *
 * Text from documents gets in only as names ({@link nftName}) and as comments ({@link nftComment}); everything else is checked word by word
 * against what addresses, protocols and interface names are made of, so that no string can become a command.
 *
 * Lists of elements are rendered once per array, however many hosts share it.
 */

import type { Origin } from "../ir/network.ts";
import type {
  Chain,
  Datum,
  DatumType,
  Field,
  MapElement,
  MarkValue,
  Match,
  NamedMap,
  NamedSet,
  Rule,
  RuleSet,
  SetElement,
  Statement,
  Table,
  Verdict,
} from "../ir/ruleset.ts";
import { nftName } from "./nft-names.ts";

/** Text for `nft`, and for each of its lines the origin of what stands there. */
export type NftScript = { readonly text: string; readonly origins: readonly (Origin | undefined)[] };

/** Tables, as `nft -f` reads them into an empty namespace. */
export function renderRuleSet(ruleSet: RuleSet): NftScript {
  const script = new Script();
  for (const table of sortedTables(ruleSet)) addTable(script, table);
  return script.whole();
}

/**
 * What turns `before` into `after`: transactions to be run in order. Mostly one; none when nothing changes.
 *
 * Only chains that changed are refilled; sets and maps change by element, so that dynamic sets keep what rules put into them. A set that is declared
 * differently takes its table with it.
 *
 * Without privileges a transaction is limited ({@link longestTransaction}). What is longer goes in several: declarations, elements, chains that
 * others jump to, chains at hooks, removals. In between, packets meet some old and some new rules.
 */
export function renderChange(before: RuleSet, after: RuleSet): readonly NftScript[] {
  if (before === after) return [];
  const whole = new Script();
  change(whole, before, after, false);
  return whole.fits ? whole.pieces() : staged((script) => change(script, before, after, true));
}

/** Puts `after` in the place of whatever tables of these names hold. */
export function renderReplacement(before: RuleSet, after: RuleSet): readonly NftScript[] {
  const replace = (script: Script, stages: boolean): void => {
    for (const name of [...new Set([...before, ...after].map(tableName))].sort()) {
      // Deleting what is not there is an error; adding what is there is none.
      script.line(`table ${name} {`);
      script.line("}");
      script.line(`delete table ${name}`);
    }
    change(script, [], after, stages);
  };
  const whole = new Script();
  replace(whole, false);
  return whole.fits ? whole.pieces() : staged((script) => replace(script, true));
}

function staged(write: (script: Script) => void): readonly NftScript[] {
  const script = new Script();
  write(script);
  return script.pieces();
}

function change(script: Script, before: RuleSet, after: RuleSet, stages: boolean): void {
  const old = new Map(before.map((table) => [tableName(table), table]));
  for (const table of sortedTables(after)) {
    const previous = old.get(tableName(table));
    old.delete(tableName(table));
    if (previous === table) continue;
    if (previous !== undefined && !redeclares(previous, table)) {
      changeTable(script, previous, table, stages);
      continue;
    }
    if (previous !== undefined) script.line(`delete table ${tableName(previous)}`);
    if (stages) changeTable(script, { ...table, chains: [], sets: [], maps: [] }, table, true);
    else addTable(script, table);
  }
  for (const table of sortedTables([...old.values()])) script.line(`delete table ${tableName(table)}`);
}

/** Limit of `nft` for a rule's comment, in bytes: NFTNL_UDATA_COMMENT_MAXLEN of libnftnl. */
const longestComment = 128;

/** What of `text` can stand in a comment: no double quote, since `nft` has no escape for it, nothing unprintable, at most 128 bytes of UTF-8. */
export function nftComment(text: string): string {
  const clean = text
    .replace(/"/g, "'")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through.
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]+/gu, " ");
  let bytes = 0;
  let end = 0;
  for (const character of clean) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes > longestComment) return clean.slice(0, end);
    end += character.length;
  }
  return clean;
}

/**
 * A transaction is one datagram, which must fit the send buffer of its socket: net.core.wmem_default, 208 KiB, which libnftables can enlarge
 * only with the machine's privileges. In bytes, with a margin.
 */
const longestTransaction = 200_000;

/** Bytes that the kernel is sent, from above: measured with nftables 1.0.6, 16 to 60 for an element, 100 to 1,300 for a rule. To be added to an element's text. */
const bytesPerElement = 40;
const ruleBytes = (text: string, comment: string): number => 150 + 6 * text.length + 3 * comment.length;

class Script {
  readonly #text: string[] = [];
  readonly #origins: (Origin | undefined)[] = [];
  #bytes = 0;
  /** Where a transaction may end. */
  readonly #cuts: { readonly text: number; readonly origins: number; readonly bytes: number; readonly must: boolean }[] = [];

  line(text: string, origin?: Origin, bytes = 0): void {
    this.#text.push(text);
    this.#origins.push(origin);
    this.#bytes += bytes;
  }

  /** A block of elements, one a line, between braces. */
  elements(head: string, tail: string, entries: readonly Entry[], text: string): void {
    this.line(head);
    this.#text.push(text);
    for (const entry of entries) this.#origins.push(entry.origin);
    this.#bytes += entries.length * bytesPerElement + text.length;
    this.line(tail);
  }

  cut(must = false): void {
    this.#cuts.push({ text: this.#text.length, origins: this.#origins.length, bytes: this.#bytes, must });
  }

  get fits(): boolean {
    return this.#bytes <= longestTransaction;
  }

  whole(): NftScript {
    return this.#piece({ text: 0, origins: 0 }, { text: this.#text.length, origins: this.#origins.length });
  }

  /** As many lines to a transaction as fit, up to a cut. */
  pieces(): readonly NftScript[] {
    const end = { text: this.#text.length, origins: this.#origins.length, bytes: this.#bytes, must: true };
    const pieces: NftScript[] = [];
    let from = { text: 0, origins: 0, bytes: 0 };
    let to = from;
    const take = (): void => {
      if (to.text > from.text) pieces.push(this.#piece(from, to));
      from = to;
    };
    for (const next of this.fits ? [end] : [...this.#cuts, end]) {
      if (next.bytes - from.bytes > longestTransaction) take();
      to = next;
      if (next.must) take();
    }
    return pieces;
  }

  #piece(from: { readonly text: number; readonly origins: number }, to: { readonly text: number; readonly origins: number }): NftScript {
    const text = this.#text.slice(from.text, to.text);
    return { text: text.length === 0 ? "" : `${text.join("\n")}\n`, origins: this.#origins.slice(from.origins, to.origins) };
  }
}

function tableName(table: Table): string {
  return `${table.family} ${nftName(table.name)}`;
}

function sortedTables(tables: readonly Table[]): readonly Table[] {
  return [...tables].sort((a, b) => compareText(tableName(a), tableName(b)));
}

function sortedByName<T extends { readonly name: string }>(things: readonly T[]): readonly T[] {
  return [...things].sort((a, b) => compareText(a.name, b.name));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** In one block, which `nft` reads whole before it orders it: maps may name chains that come later. */
function addTable(script: Script, table: Table): void {
  script.line(`table ${tableName(table)} {`);
  for (const set of sortedByName(table.sets)) declareCollection(script, "set", set, true);
  for (const map of sortedByName(table.maps)) declareCollection(script, "map", map, true);
  for (const chain of sortedByName(table.chains)) declareChain(script, chain, table);
  script.line("}");
}

/** With `rules`, the table whose names they use: with its rules. */
function declareChain(script: Script, chain: Chain, rules?: Table): void {
  script.line(`  chain ${nftName(chain.name)} {`);
  if (chain.base !== undefined) {
    const { type, hook, priority, policy } = chain.base;
    script.line(`    type ${type} hook ${hook} priority ${priority}; policy ${policy};`);
  }
  if (rules !== undefined) for (const rule of chain.rules) addRule(script, "    ", rule, rules);
  script.line("  }");
}

/** Not as a block of the chain: that would declare it again, and the kernel takes 10 ms of its own time to forget such a change. */
function fillChain(script: Script, table: Table, chain: Chain, rules: readonly Rule[]): void {
  for (const rule of rules) addRule(script, `add rule ${tableName(table)} ${nftName(chain.name)} `, rule, table);
}

function addRule(script: Script, head: string, rule: Rule, table: Table): void {
  const text = ruleText(rule, table);
  if (text === "") return;
  const comment = nftComment(rule.origin.reason);
  script.line(`${head}${text} comment "${comment}"`, rule.origin, ruleBytes(text, comment));
}

type Collection = NamedSet | NamedMap;

/** Most elements of a set that rules fill. The kernel takes memory for all of them at once: for nft's default, 65,535, that is 1 MiB and 5 ms a set. */
const dynamicSetSize = 8192;

/** `type` line and flags: what can't be changed while the set exists. */
function declaration(collection: Collection): readonly string[] {
  // nft 1.0.6 packs six bits a type into 32 (TYPE_BITS, include/datatype.h): a sixth type is misread, and listing it as JSON aborts the process.
  if (collection.key.length > 5) throw new Error(`nft: ${collection.name} has a key of ${collection.key.length} fields; nft takes 5`);
  const value = "value" in collection ? ` : ${collection.value === "verdict" ? "verdict" : collection.value.join(" . ")}` : "";
  const lines = [`type ${collection.key.join(" . ")}${value};`];
  if ("dynamicTimeoutSeconds" in collection && collection.dynamicTimeoutSeconds !== undefined) {
    lines.push("flags dynamic, timeout;", `timeout ${collection.dynamicTimeoutSeconds}s;`, `size ${dynamicSetSize};`);
  } else if (collection.interval === true) {
    lines.push("flags interval;");
    // Overlapping prefixes in a list mean their union. Not for concatenations (the kernel's set type has none) nor maps (which value?).
    if (!("value" in collection) && collection.key.length === 1) lines.push("auto-merge;");
  }
  return lines;
}

function declareCollection(script: Script, word: "set" | "map", collection: Collection, fill: boolean): void {
  script.line(`  ${word} ${nftName(collection.name)} {`);
  for (const line of declaration(collection)) script.line(`    ${line}`);
  if (fill && collection.elements.length > 0) {
    const { entries, text } = rendered(collection);
    script.elements("    elements = {", "    }", entries, text);
  }
  script.line("  }");
}

/** True when a set, a map or a base chain of both tables is declared in another way, which the kernel can't change in place. */
function redeclares(before: Table, after: Table): boolean {
  const declared = (table: Table): Map<string, string> =>
    new Map([...table.sets, ...table.maps].map((collection) => [collection.name, declaration(collection).join(" ")]));
  if (before.sets !== after.sets || before.maps !== after.maps) {
    const old = declared(before);
    for (const [name, text] of declared(after)) if ((old.get(name) ?? text) !== text) return true;
    const oldMaps = new Set(before.maps.map((map) => map.name));
    const oldSets = new Set(before.sets.map((set) => set.name));
    if (after.sets.some((set) => oldMaps.has(set.name)) || after.maps.some((map) => oldSets.has(map.name))) return true;
  }
  if (before.chains === after.chains) return false;
  const bases = new Map(before.chains.map((chain) => [chain.name, baseText(chain)]));
  return after.chains.some((chain) => (bases.get(chain.name) ?? baseText(chain)) !== baseText(chain));
}

/** Without the policy: that can change in place. */
function baseText(chain: Chain): string {
  return chain.base === undefined ? "" : `${chain.base.type} ${chain.base.hook} ${chain.base.priority}`;
}

function changeTable(script: Script, before: Table, after: Table, stages: boolean): void {
  const name = tableName(after);
  const oldChains = new Map(before.chains.map((chain) => [chain.name, chain]));
  const chains = new Set(after.chains.map((chain) => chain.name));
  const changed = after.chains.filter((chain) => !sameChain(oldChains.get(chain.name), before, chain, after));
  const oldCollections = new Map([...before.sets, ...before.maps].map((collection) => [collection.name, collection]));
  const collections = [
    ...sortedByName(after.sets).map((set) => ["set", set] as const),
    ...sortedByName(after.maps).map((map) => ["map", map] as const),
  ];
  const kept = new Set(collections.map(([, collection]) => collection.name));

  const declared = changed.filter((chain) => {
    const old = oldChains.get(chain.name);
    return old === undefined || old.base?.policy !== chain.base?.policy;
  });
  const added = collections.filter(([, collection]) => !oldCollections.has(collection.name));
  if (declared.length > 0 || added.length > 0) {
    script.line(`table ${name} {`);
    for (const chain of sortedByName(declared)) declareChain(script, chain);
    for (const [word, collection] of added) declareCollection(script, word, collection, !stages);
    script.line("}");
    script.cut();
  }
  const flush = (chain: Chain): void => {
    if ((oldChains.get(chain.name)?.rules.length ?? 0) > 0) script.line(`flush chain ${name} ${nftName(chain.name)}`);
  };
  const removed = sortedByName(before.chains.filter((old) => !chains.has(old.name)));
  // All at once, before any is filled: rules of now and rules of then may jump in a circle.
  if (!stages) for (const chain of sortedByName([...changed, ...removed])) flush(chain);
  for (const [, collection] of collections) {
    const old = oldCollections.get(collection.name) ?? (stages ? { ...collection, elements: [] } : undefined);
    if (old !== undefined && old.elements !== collection.elements) changeElements(script, name, old, collection, stages);
  }
  const filled = sortedByName(changed.filter((chain) => chain.rules.length > 0));
  if (stages) {
    for (const chain of [...filled.filter((one) => one.base === undefined), ...filled.filter((one) => one.base !== undefined)]) {
      flush(chain);
      for (const rules of inRuns(chain.rules, rulesPerCut)) {
        fillChain(script, after, chain, rules);
        script.cut();
      }
    }
    for (const chain of sortedByName([...changed.filter((one) => one.rules.length === 0), ...removed])) flush(chain);
  } else for (const chain of filled) fillChain(script, after, chain, chain.rules);
  // What is removed may be named by what is removed: maps hold verdicts to chains, chains look into maps.
  for (const word of ["map", "set"] as const) {
    for (const collection of sortedByName<Collection>(word === "map" ? before.maps : before.sets)) {
      if (!kept.has(collection.name)) script.line(`delete ${word} ${name} ${nftName(collection.name)}`);
    }
  }
  for (const chain of sortedByName(before.chains)) if (!chains.has(chain.name)) script.line(`delete chain ${name} ${nftName(chain.name)}`);
}

function sameChain(before: Chain | undefined, beforeTable: Table, after: Chain, afterTable: Table): boolean {
  if (before === after) return true;
  if (before === undefined || before.base?.policy !== after.base?.policy) return false;
  if (before.rules === after.rules) return true;
  if (before.rules.length !== after.rules.length) return false;
  return after.rules.every((rule, index) => {
    const old = before.rules[index];
    if (old === undefined) return false;
    if (old === rule) return true;
    return old.origin.reason === rule.origin.reason && ruleText(old, beforeTable) === ruleText(rule, afterTable);
  });
}

/** An element as text: `key` finds it again, `text` is key and value. */
type Entry = { readonly key: string; readonly text: string; readonly origin?: Origin };
type Rendered = { readonly types: string; readonly entries: readonly Entry[]; readonly text: string };

const renderedElements = new WeakMap<readonly object[], Rendered>();

function rendered(collection: Collection): Rendered {
  const elements: readonly (SetElement | MapElement)[] = collection.elements;
  const types = typesOf(collection);
  const known = renderedElements.get(elements);
  if (known?.types === types) return known;
  const entries = elements.map((element) => entryOf(collection, element)).sort((a, b) => compareText(a.text, b.text));
  const made = { types, entries, text: entries.map((entry) => `      ${entry.text}`).join(",\n") };
  renderedElements.set(elements, made);
  return made;
}

function typesOf(collection: Collection): string {
  return declaration(collection)[0] ?? "";
}

function entryOf(collection: Collection, element: SetElement | MapElement): Entry {
  const key = tupleText(element.key, collection.key, collection.name);
  const origin = element.origin === undefined ? {} : { origin: element.origin };
  if (!("value" in element) || !("value" in collection)) return { key, text: key, ...origin };
  if (isVerdict(element.value)) return { key, text: `${key} : ${verdictText(element.value)}`, ...origin };
  if (collection.value === "verdict") throw new Error(`nft: ${collection.name} takes verdicts`);
  return { key, text: `${key} : ${tupleText(element.value, collection.value, collection.name)}`, ...origin };
}

function isVerdict(value: Verdict | readonly Datum[]): value is Verdict {
  return "verdict" in value;
}

/** Element changes are worked out once per pair of lists, however many hosts share them. */
const changes = new WeakMap<
  readonly object[],
  { readonly before: readonly object[]; readonly removed: readonly Entry[]; readonly added: readonly Entry[] }
>();

function elementChange(before: Collection, after: Collection): { readonly removed: readonly Entry[]; readonly added: readonly Entry[] } {
  const known = changes.get(after.elements);
  if (known?.before === before.elements) return known;
  // Lists mostly agree, element by element, at both ends.
  const [a, b]: [readonly (SetElement | MapElement)[], readonly (SetElement | MapElement)[]] = [before.elements, after.elements];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const shared = new Set(a.slice(start, a.length - end));
  const removed = new Map<string, Entry>();
  const added: Entry[] = [];
  const still = new Set(b.slice(start, b.length - end));
  for (const element of shared) {
    if (still.has(element)) continue;
    const entry = entryOf(before, element);
    removed.set(entry.key, entry);
  }
  for (const element of still) {
    if (shared.has(element)) continue;
    const entry = entryOf(after, element);
    if (removed.get(entry.key)?.text === entry.text) removed.delete(entry.key);
    else added.push(entry);
  }
  const sorted = (entries: readonly Entry[]): readonly Entry[] => [...entries].sort((x, y) => compareText(x.text, y.text));
  const change = { before: before.elements, removed: sorted([...removed.values()]), added: sorted(added) };
  changes.set(after.elements, change);
  return change;
}

function changeElements(script: Script, table: string, before: Collection, after: Collection, stages: boolean): void {
  const { removed, added } = elementChange(before, after);
  if (removed.length === 0 && added.length === 0) return;
  const name = `${table} ${nftName(after.name)}`;
  const block = (verb: "add" | "delete", entries: readonly Entry[]): void => {
    if (entries.length > 0)
      script.elements(`${verb} element ${name} {`, "}", entries, entries.map((entry) => `  ${entry.text}`).join(",\n"));
  };
  // Merged intervals have lost the elements they were made of, so they are refilled as a whole.
  if (after.interval === true && before.elements.length > 0) script.line(`flush ${"value" in after ? "map" : "set"} ${name}`);
  const gone = after.interval === true ? [] : removed;
  const fresh = after.interval === true ? rendered(after).entries : added;
  if (!stages) {
    block("delete", gone);
    block("add", fresh);
    return;
  }
  // An element that changes its value is deleted and added in one.
  const byKey = new Map(gone.map((entry) => [entry.key, entry]));
  for (const entries of inRuns(fresh, after.interval === true ? intervalsPerCut : elementsPerCut)) {
    block(
      "delete",
      entries.flatMap((entry) => byKey.get(entry.key) ?? []),
    );
    for (const entry of entries) byKey.delete(entry.key);
    block("add", entries);
    script.cut(after.interval === true);
  }
  for (const entries of inRuns([...byKey.values()], elementsPerCut)) {
    block("delete", entries);
    script.cut();
  }
}

const rulesPerCut = 25;
const elementsPerCut = 500;
/** `nft` sends again what it was given before for the same set of intervals in the same transaction: so there is one command in each. */
const intervalsPerCut = 2500;

function inRuns<T>(list: readonly T[], length: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(list.length / length) }, (_, index) => list.slice(index * length, (index + 1) * length));
}

function ruleText(rule: Rule, table: Table): string {
  const parts: string[] = [];
  let protocolKnown = false;
  const needProtocol = (): void => {
    if (!protocolKnown) parts.push(protocolsWithPorts);
    protocolKnown = true;
  };
  for (const match of rule.matches) {
    if (match.kind === "value" && match.field === "meta l4proto" && match.op === "==") protocolKnown = true;
    if (match.kind === "value" ? connectionPorts.has(match.field) : match.fields.some((field) => connectionPorts.has(field)))
      needProtocol();
    parts.push(matchText(match));
  }
  for (const statement of rule.statements) {
    if (translatesPort(statement)) needProtocol();
    parts.push(statementText(statement, table));
  }
  return parts.join(" ");
}

/** `nft` takes ports in a translation, and those of a connection, only after a match on the protocol. Here: every protocol that has ports or ids. */
const protocolsWithPorts = "meta l4proto { tcp, udp, sctp, dccp, udplite, icmp, icmpv6 }";
const connectionPorts: ReadonlySet<Field> = new Set(["ct original proto-dst", "ct reply proto-src"]);

function translatesPort(statement: Statement): boolean {
  if (statement.kind === "snat") return statement.ports !== undefined;
  return statement.kind === "dnat" && "address" in statement.to && statement.to.port !== undefined;
}

function matchText(match: Match): string {
  if (match.kind === "lookup") return `${fieldsText(match.fields)} ${match.op === "!=" ? "!= " : ""}@${nftName(match.set)}`;
  const { field, op, values, mask } = match;
  const texts = values.map((value) => valueText(field, value));
  const only = texts.length === 1 ? texts[0] : undefined;
  if (only === undefined && texts.length === 0) throw new Error(`nft: a match on ${field} without values`);
  const negation = op === "!=" ? "!= " : "";
  if (field === "ct status") {
    // Several bits are set at once: the question is whether one of these is.
    return `ct status & (${texts.join(" | ")}) ${op === "==" ? "!=" : "=="} 0`;
  }
  if (mask !== undefined) {
    if (only !== undefined) return `${field} & ${wordText(mask)} ${op} ${only}`;
    return `${field} & ${wordText(mask)} ${negation}{ ${texts.join(", ")} }`;
  }
  return `${field} ${negation}${only ?? `{ ${texts.join(", ")} }`}`;
}

function fieldsText(fields: readonly Field[]): string {
  return fields.join(" . ");
}

function valueText(field: Field, value: Datum | string): string {
  if (field === "iifname" || field === "oifname") return interfaceText(value);
  return datumText(value, field);
}

function tupleText(values: readonly Datum[], types: readonly DatumType[], name: string): string {
  if (values.length !== types.length) throw new Error(`nft: an element of ${name} has ${values.length} fields instead of ${types.length}`);
  let text = "";
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    text += (i === 0 ? "" : " . ") + (types[i] === "ifname" ? interfaceText(value) : datumText(value, name));
  }
  return text;
}

/** Linux takes more characters, but no interface of ours needs them. */
function interfaceText(value: Datum | string): string {
  if (typeof value !== "string" || !/^[A-Za-z0-9_.@-]{1,15}$/.test(value))
    throw new Error(`nft: not an interface name: ${JSON.stringify(value)}`);
  return `"${value}"`;
}

function datumText(value: Datum | string, where: string): string {
  if (typeof value === "number") return wordText(value);
  if (typeof value === "object") return `${wordText(value.first)}-${wordText(value.last)}`;
  if (!/^[0-9A-Za-z.:/-]+$/.test(value)) throw new Error(`nft: ${JSON.stringify(value)} is no value for ${where}`);
  return value;
}

function wordText(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new Error(`nft: ${value} is not a number of 32 bits`);
  return `${value}`;
}

function verdictText(verdict: Verdict): string {
  return "chain" in verdict ? `${verdict.verdict} ${nftName(verdict.chain)}` : verdict.verdict;
}

function statementText(statement: Statement, table: Table): string {
  switch (statement.kind) {
    case "verdict":
      return verdictText(statement);
    case "reject":
      return rejectText(statement.with, table.family);
    case "vmap":
      return `${fieldsText(statement.fields)} vmap @${nftName(statement.map)}`;
    case "random-vmap": {
      const verdicts = statement.verdicts.map((verdict, slot) => `${slot} : ${verdictText(verdict)}`);
      return `numgen random mod ${wordText(verdicts.length)} vmap { ${verdicts.join(", ")} }`;
    }
    case "set-mark":
      return `${statement.target} mark set ${markText(statement.target, statement.value)}`;
    case "dnat": {
      if ("address" in statement.to) {
        const { address, port } = statement.to;
        const family = address.includes(":") ? "ip6" : "ip";
        if (port === undefined) return `dnat ${family} to ${datumText(address, "dnat")}`;
        const host = family === "ip6" ? `[${datumText(address, "dnat")}]` : datumText(address, "dnat");
        return `dnat ${family} to ${host}:${wordText(port)}`;
      }
      const { fields, map: name } = statement.to;
      const map = table.maps.find((candidate) => candidate.name === name);
      if (map === undefined) throw new Error(`nft: table ${table.name} has no map ${name}`);
      const family = map.value.includes("ipv6_addr") ? "ip6" : "ip";
      return `dnat ${family} to ${fieldsText(fields)} map @${nftName(name)}`;
    }
    case "snat": {
      const family = statement.address.includes(":") ? "ip6" : "ip";
      const address = datumText(statement.address, "snat");
      if (statement.ports === undefined) return `snat ${family} to ${address}`;
      const host = family === "ip6" ? `[${address}]` : address;
      return `snat ${family} to ${host}:${wordText(statement.ports.first)}-${wordText(statement.ports.last)}`;
    }
    case "masquerade":
      return statement.flag === undefined ? statement.kind : `${statement.kind} ${statement.flag}`;
    case "notrack":
    case "counter":
      return statement.kind;
    case "update-set":
      return `update @${nftName(statement.set)} { ${fieldsText(statement.fields)} }`;
  }
}

function rejectText(how: "tcp reset" | "icmp port-unreachable" | "icmp admin-prohibited", family: Table["family"]): string {
  if (how === "tcp reset") return "reject with tcp reset";
  const kind = family === "ip" ? "icmp" : family === "ip6" ? "icmpv6" : "icmpx";
  return `reject with ${kind} type ${how.slice("icmp ".length)}`;
}

function markText(target: "meta" | "ct", value: MarkValue): string {
  switch (value.kind) {
    case "constant":
      return wordText(value.value);
    case "or":
      return `${target} mark | ${wordText(value.value)}`;
    case "random":
      return `numgen random mod ${wordText(value.modulus)} offset ${wordText(value.offset)}`;
    case "hash":
      return `jhash ${fieldsText(value.fields)} mod ${wordText(value.modulus)} seed ${wordText(value.seed)} offset ${wordText(value.offset)}`;
    case "copy":
      return `${value.from} mark`;
    case "map":
      return `${fieldsText(value.fields)} map @${nftName(value.map)}`;
  }
}
