/**
 * Rulesets as text that `nft -f` reads, for people. The same input gives the same bytes.
 *
 * Text from documents gets in only as names ({@link nftName}) and as comments ({@link nftComment}); everything else is checked word by word
 * against what addresses, protocols and interface names are made of, so that no string can become a command.
 */

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

/** Tables, as `nft -f` reads them into an empty namespace. Empty text for none. */
export function renderRuleSet(ruleSet: RuleSet): string {
  const lines = sortedBy(ruleSet, tableName).flatMap(tableLines);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
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

function tableName(table: Table): string {
  return `${table.family} ${nftName(table.name)}`;
}

function sortedBy<T>(things: readonly T[], text: (thing: T) => string): readonly T[] {
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return [...things].sort((a, b) => compare(text(a), text(b)));
}

/** In one block, which `nft` reads whole before it orders it: maps may name chains that come later. */
function tableLines(table: Table): readonly string[] {
  const name = ({ name: text }: { readonly name: string }): string => text;
  return [
    `table ${tableName(table)} {`,
    ...sortedBy(table.sets, name).flatMap((set) => collectionLines("set", set)),
    ...sortedBy(table.maps, name).flatMap((map) => collectionLines("map", map)),
    ...sortedBy(table.chains, name).flatMap((chain) => chainLines(chain, table)),
    "}",
  ];
}

function chainLines({ name, base, rules }: Chain, table: Table): readonly string[] {
  const lines = [`  chain ${nftName(name)} {`];
  if (base !== undefined) lines.push(`    type ${base.type} hook ${base.hook} priority ${base.priority}; policy ${base.policy};`);
  for (const rule of rules) {
    const text = renderRule(rule, table);
    if (text !== "") lines.push(`    ${text} comment "${nftComment(rule.origin.reason)}"`);
  }
  return [...lines, "  }"];
}

type Collection = NamedSet | NamedMap;

/** Most elements of a set that rules fill. The kernel takes memory for all of them at once: for nft's default, 65,535, that is 1 MiB and 5 ms a set. */
export const dynamicSetSize = 8192;

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

function collectionLines(word: "set" | "map", collection: Collection): readonly string[] {
  const elements = collection.elements.map((element) => elementText(collection, element)).sort();
  const filled = elements.length === 0 ? [] : ["    elements = {", elements.map((text) => `      ${text}`).join(",\n"), "    }"];
  return [`  ${word} ${nftName(collection.name)} {`, ...declaration(collection).map((line) => `    ${line}`), ...filled, "  }"];
}

function elementText(collection: Collection, element: SetElement | MapElement): string {
  const key = tupleText(element.key, collection.key, collection.name);
  if (!("value" in element) || !("value" in collection)) return key;
  if (isVerdict(element.value)) return `${key} : ${verdictText(element.value)}`;
  if (collection.value === "verdict") throw new Error(`nft: ${collection.name} takes verdicts`);
  return `${key} : ${tupleText(element.value, collection.value, collection.name)}`;
}

function isVerdict(value: Verdict | readonly Datum[]): value is Verdict {
  return "verdict" in value;
}

/** What `nft` reads for a rule, without its comment. Empty for a rule that does nothing. `table`: whose sets and maps it names. */
export function renderRule(rule: Rule, table: Table): string {
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
