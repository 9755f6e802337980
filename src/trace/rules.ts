/**
 * A host's rules, made ready to run: every match and statement becomes a function, every verdict an object that is made once.
 *
 * Follows net/netfilter/nf_tables_core.c. What translates addresses is only returned here as a verdict; connection tracking carries it out.
 * Chains are made ready when a packet first enters them, and tables are remembered by reference, so rules that all hosts share are made once.
 */

import type { Origin } from "../ir/network.ts";
import type {
  Chain,
  DatumType,
  Hook,
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
import { type Address, parseAddress } from "../net/address.ts";
import { type DrawnPorts, state } from "./connections.ts";
import { appendWords, bytesOf, comparableAddress, comparableNumber, comparison, type Reader, readerOf } from "./fields.ts";
import { type Ip, ipOf } from "./ip.ts";
import { jhashSlot } from "./jhash.ts";
import { dynamicKey, KeyIndex } from "./keyed.ts";
import type { Packet } from "./packet.ts";
import type { Disposition, Message, PortRange, Step } from "./result.ts";

/** What a rule decided. Made once per rule (or element of a map) and shared by all packets. */
export type Decision = {
  readonly kind: "accept" | "drop" | "reject" | "return" | "break" | "jump" | "goto" | "dnat" | "snat" | "masquerade";
  /** For drop. */
  readonly disposition: Disposition;
  /** For reject: what the sender is told. */
  readonly message?: Message;
  /** For jump and goto. */
  readonly chain?: PreparedChain;
  /** For dnat and snat. */
  readonly address?: Ip;
  readonly port?: number;
  readonly ports?: PortRange;
  /** For masquerade: the port does not stay, even when it could. */
  readonly drawsPort?: true;
  readonly element: string;
  readonly origin: Origin | undefined;
  /** To be written down when it is decided. */
  readonly step?: Step;
};

type Test = (packet: Packet) => boolean;
type Act = (packet: Packet) => Decision | undefined;
type Find = (packet: Packet) => MapElement | SetElement | undefined;

/** A rule, ready to run. What its first match compares is said by {@link first}. */
type PreparedRule = {
  readonly first: number;
  /** Compared with the field under {@link mask}, as a signed number of 32 bits. */
  readonly value: number;
  readonly mask: number;
  /** For `found` and `mapped`. */
  readonly find: Find | undefined;
  /** The other matches. */
  readonly tests: readonly Test[];
  /** The verdict, when the rule is nothing more; else {@link acts}. */
  readonly decision: Decision | undefined;
  readonly acts: readonly Act[];
};

/**
 * The rules of a chain in one list, {@link perRule} places for each: first, value, mask, find, tests, decision, acts. On a large network what a
 * packet meets is rarely in the processor's cache, so that the looks into memory are what a trace costs; most rules do not match, and this
 * way several of them are read at one look.
 */
type Program = readonly (number | Find | readonly Test[] | Decision | readonly Act[] | undefined)[];
const perRule = 7;

/** What a rule's first match is. always: there is none that can be put here. mapped: the rule is but a look into a verdict map, tried first. */
const first = { always: 0, state: 1, source: 2, destination: 3, connectionMark: 4, localDestination: 5, found: 6, mapped: 7 } as const;

/** One list for all rules without: it stays in the processor's cache. */
const none: readonly never[] = [];

/** A chain, made ready when it is first needed. It is the stage of its hook, too. */
export class PreparedChain {
  readonly kind = "chain";
  readonly priority: number;
  readonly chain: Chain;
  /** "chain kube-proxy services". */
  readonly element: string;
  /** By policy. */
  readonly drops: boolean;
  /** A chain of type route: what it changes is routed again. */
  readonly reroutes: boolean;
  readonly #table: PreparedTable;
  #program: Program | undefined;

  constructor(table: PreparedTable, chain: Chain) {
    this.#table = table;
    this.chain = chain;
    this.priority = chain.base?.priority ?? 0;
    this.drops = chain.base?.policy === "drop";
    this.reroutes = chain.base?.type === "route" && chain.base.hook === "output";
    this.element = `chain ${table.table.name} ${chain.name}`;
  }

  /** Nothing happens to any packet here. */
  get isIdle(): boolean {
    return this.program.length === 0 && !this.drops;
  }

  get program(): Program {
    this.#program ??= this.chain.rules.flatMap((rule) => {
      if (isIdle(this.#table, rule)) return [];
      const { first, value, mask, find, tests, decision, acts } = prepareRule(this.#table, this, rule);
      return [first, value, mask, find, tests, decision, acts];
    });
    return this.#program;
  }
}

/** Runs a packet through a chain. `undefined`: came to its end (or returned) without a verdict. */
export function evaluate(chain: PreparedChain, packet: Packet): Decision | undefined {
  const { program } = chain;
  nextRule: for (let at = 0; at < program.length; at += perRule) {
    if (!firstMatches(program, at, packet)) continue;
    const tests = program[at + 4] as readonly Test[];
    if (tests !== none) for (const test of tests) if (!test(packet)) continue nextRule;
    let decision = program[at + 5] as Decision | undefined;
    if (decision === undefined) {
      for (const act of program[at + 6] as readonly Act[]) {
        decision = act(packet);
        if (decision !== undefined) break;
      }
      if (decision === undefined) continue;
    }
    if (decision.step !== undefined) packet.steps?.push(decision.step);
    switch (decision.kind) {
      case "break":
        continue;
      case "return":
        return undefined;
      case "jump": {
        const inner = decision.chain === undefined ? undefined : evaluate(decision.chain, packet);
        if (inner !== undefined) return inner;
        continue;
      }
      case "goto":
        return decision.chain === undefined ? undefined : evaluate(decision.chain, packet);
      default:
        return decision;
    }
  }
  return undefined;
}

function firstMatches(program: Program, at: number, packet: Packet): boolean {
  switch (program[at]) {
    case first.always:
      return true;
    case first.state:
      return ((packet.state === state.none ? state.invalid : packet.state) & (program[at + 2] as number)) !== 0;
    case first.source:
      return typeof packet.source === "number" && (packet.source & (program[at + 2] as number)) === program[at + 1];
    case first.destination:
      return typeof packet.destination === "number" && (packet.destination & (program[at + 2] as number)) === program[at + 1];
    case first.connectionMark:
      return packet.connection !== undefined && (packet.connection.mark & (program[at + 2] as number)) === program[at + 1];
    case first.localDestination:
      return packet.surroundings.addressType(packet.destination) === "local";
    default:
      return (program[at + 3] as Find)(packet) !== undefined;
  }
}

/** A point of a hook, by ascending priority. */
export type Stage =
  | PreparedChain
  | { readonly kind: "track"; readonly priority: number }
  /** All nat chains of the hook, by priority. */
  | {
      readonly kind: "translate";
      readonly priority: number;
      readonly what: "source" | "destination";
      readonly chains: readonly PreparedChain[];
    }
  | { readonly kind: "confirm"; readonly priority: number };

export type Stages = Readonly<Record<Hook, readonly Stage[]>>;

/** The stages of a rule set for one family. A host without tables has none at all. */
export function stagesOf(ruleSet: RuleSet, family: 4 | 6): Stages {
  if (ruleSet.length === 0) return nothing;
  let both = prepared.get(ruleSet);
  if (both === undefined) {
    both = { 4: makeStages(ruleSet, 4), 6: makeStages(ruleSet, 6) };
    prepared.set(ruleSet, both);
  }
  return both[family];
}

const nothing: Stages = { prerouting: [], input: [], forward: [], output: [], postrouting: [] };
const prepared = new WeakMap<RuleSet, Readonly<Record<4 | 6, Stages>>>();

/** include/uapi/linux/netfilter_ipv4.h: NF_IP_PRI_CONNTRACK, …_NAT_DST, …_NAT_SRC, …_CONNTRACK_CONFIRM. */
const builtIn = { track: -200, natDestination: -100, natSource: 100, confirm: 2_147_483_647 } as const;

const track: Stage = { kind: "track", priority: builtIn.track };
const confirm: Stage = { kind: "confirm", priority: builtIn.confirm };

function makeStages(ruleSet: RuleSet, family: 4 | 6): Stages {
  const seen = family === 4 ? "ip" : "ip6";
  const tables = ruleSet.filter((table) => table.family === seen || table.family === "inet").map(prepareTable);
  if (tables.length === 0) return nothing;
  const bases = tables.flatMap((table) => table.bases);
  const translates = bases.some((chain) => chain.chain.base?.type === "nat");
  const at = (hook: Hook): Stage[] => {
    const here = bases.filter((chain) => chain.chain.base?.hook === hook);
    const stages: Stage[] = here.filter((chain) => chain.chain.base?.type !== "nat" && !chain.isIdle);
    // Of equal priority, the kernel runs last what was registered first (nf_hook_entries_grow); its own hooks come before any chain's.
    stages.reverse();
    if (hook === "prerouting" || hook === "output") stages.push(track);
    if (translates && hook !== "forward") {
      const what = hook === "prerouting" || hook === "output" ? "destination" : "source";
      const chains = here.filter((chain) => chain.chain.base?.type === "nat" && !chain.isIdle).reverse();
      chains.sort((a, b) => a.priority - b.priority);
      stages.push({ kind: "translate", priority: what === "destination" ? builtIn.natDestination : builtIn.natSource, what, chains });
    }
    if (hook === "input" || hook === "postrouting") stages.push(confirm);
    return stages.sort((a, b) => a.priority - b.priority);
  };
  return { prerouting: at("prerouting"), input: at("input"), forward: at("forward"), output: at("output"), postrouting: at("postrouting") };
}

class PreparedTable {
  readonly table: Table;
  readonly bases: readonly PreparedChain[];
  readonly #chains = new Map<string, PreparedChain>();

  constructor(table: Table) {
    this.table = table;
    for (const chain of table.chains) this.#chains.set(chain.name, new PreparedChain(this, chain));
    this.bases = [...this.#chains.values()].filter((chain) => chain.chain.base !== undefined);
  }

  chain(name: string): PreparedChain {
    return this.#chains.get(name) ?? this.#missing("chain", name);
  }

  set(name: string): NamedSet {
    return this.table.sets.find((set) => set.name === name) ?? this.#missing("set", name);
  }

  map(name: string): NamedMap {
    return this.table.maps.find((map) => map.name === name) ?? this.#missing("map", name);
  }

  #missing(what: string, name: string): never {
    throw new Error(`table ${this.table.name} has a rule that names the ${what} ${name}, which does not exist`);
  }
}

const tables = new WeakMap<Table, PreparedTable>();

function prepareTable(table: Table): PreparedTable {
  let known = tables.get(table);
  if (known === undefined) {
    known = new PreparedTable(table);
    tables.set(table, known);
  }
  return known;
}

const setIndexes = new WeakMap<readonly SetElement[], KeyIndex<SetElement>>();
const mapIndexes = new WeakMap<readonly MapElement[], KeyIndex<MapElement>>();

/** Small sets that many hosts have alike, each of its own making, by content. */
const likeSets = new Map<string, KeyIndex<SetElement>>();

function indexSet(set: NamedSet): KeyIndex<SetElement> {
  let index = setIndexes.get(set.elements);
  if (index !== undefined) return index;
  const content = set.elements.length <= 16 ? JSON.stringify([set.key, set.elements.map((element) => element.key)]) : undefined;
  index = content === undefined ? undefined : likeSets.get(content);
  if (index === undefined) {
    index = new KeyIndex(
      set.key,
      set.elements.map((element) => ({ key: element.key, value: element })),
    );
    if (content !== undefined) {
      if (likeSets.size >= 1024) likeSets.clear();
      likeSets.set(content, index);
    }
  }
  setIndexes.set(set.elements, index);
  return index;
}

function indexMap(map: NamedMap): KeyIndex<MapElement> {
  let index = mapIndexes.get(map.elements);
  if (index === undefined) {
    index = new KeyIndex(
      map.key,
      map.elements.map((element) => ({ key: element.key, value: element })),
    );
    mapIndexes.set(map.elements, index);
  }
  return index;
}

function prepareRule(table: PreparedTable, chain: PreparedChain, rule: Rule): PreparedRule {
  const context: RuleContext = { table, element: chain.element, origin: rule.origin };
  const inline = rule.matches[0] === undefined ? undefined : prepareFirst(table, rule.matches[0]);
  const tests = orNone(rule.matches.slice(inline === undefined ? 0 : 1).map((match) => prepareMatch(table, match)));
  const statements = rule.statements.filter((statement) => statement.kind !== "counter");
  const [only, second] = statements;
  const decision = only === undefined || second !== undefined ? undefined : constantDecision(context, only);
  const acts = decision === undefined ? orNone(statements.map((statement) => prepareStatement(context, statement))) : none;
  if (inline !== undefined) return { ...inline, tests, decision, acts };
  const find = rule.matches.length === 0 && only?.kind === "vmap" ? indexMap(table.map(only.map)).finder(only.fields) : undefined;
  return { first: find === undefined ? first.always : first.mapped, value: 0, mask: 0, find, tests, decision, acts };
}

function orNone<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? none : list;
}

/** What a statement decides whatever the packet. */
function constantDecision(context: RuleContext, statement: Statement): Decision | undefined {
  const { element, origin } = context;
  switch (statement.kind) {
    case "verdict":
      return decide(context, statement, origin, statement.disposition);
    case "reject":
      return {
        kind: "reject",
        disposition: "rejected",
        message: statement.with,
        element,
        origin,
        step: { kind: "reject", what: `rejected with ${statement.with}`, element, origin },
      };
    case "snat":
      return {
        ...translation(context, "snat", origin),
        address: ipOf(statement.address),
        ...(statement.ports === undefined ? {} : { ports: statement.ports }),
      };
    case "masquerade":
      return { ...translation(context, "masquerade", origin), ...(statement.flag === undefined ? {} : { drawsPort: true }) };
    case "dnat": {
      const { to } = statement;
      if (!("address" in to)) return undefined;
      return { ...translation(context, "dnat", origin), address: ipOf(to.address), ...(to.port === undefined ? {} : { port: to.port }) };
    }
    default:
      return undefined;
  }
}

/** The match in the form that {@link firstMatches} tries, if it has one. */
function prepareFirst(table: PreparedTable, match: Match): Pick<PreparedRule, "first" | "value" | "mask" | "find"> | undefined {
  if (match.op !== "==") return undefined;
  if (match.kind === "lookup") {
    const set = table.set(match.set);
    if (set.dynamicTimeoutSeconds !== undefined) return undefined;
    return { first: first.found, value: 0, mask: 0, find: indexSet(set).finder(match.fields) };
  }
  const { field, values, mask } = match;
  if (field === "ct state") {
    const bits = values.reduce<number>((all, value) => all | comparableNumber(field, value), 0);
    return { first: first.state, value: 0, mask: bits, find: undefined };
  }
  const [only, second] = values;
  if (only === undefined || second !== undefined) return undefined;
  if (field === "ct mark" && typeof only === "number")
    return { first: first.connectionMark, value: only | 0, mask: (mask ?? -1) | 0, find: undefined };
  if (field === "fib daddr type" && only === "local") return { first: first.localDestination, value: 0, mask: 0, find: undefined };
  if ((field !== "ip saddr" && field !== "ip daddr") || mask !== undefined || typeof only !== "string") return undefined;
  const which = field === "ip saddr" ? first.source : first.destination;
  const wanted = comparableAddress(only);
  if (typeof wanted === "number") return { first: which, value: wanted | 0, mask: -1, find: undefined };
  if (typeof wanted === "string" || wanted.family === 6) return undefined;
  return { first: which, value: wanted.first | 0, mask: ~(wanted.last - wanted.first), find: undefined };
}

/** No packet matches: the rule asks an empty map or set, as many rules of generated tables do. */
function isIdle(table: PreparedTable, rule: Rule): boolean {
  const [first] = rule.statements;
  return (
    (first?.kind === "vmap" && table.map(first.map).elements.length === 0) ||
    rule.matches.some((match) => {
      if (match.kind !== "lookup" || match.op !== "==") return false;
      const set = table.set(match.set);
      return set.elements.length === 0 && set.dynamicTimeoutSeconds === undefined;
    })
  );
}

type RuleContext = { readonly table: PreparedTable; readonly element: string; readonly origin: Origin };

function prepareMatch(table: PreparedTable, match: Match): Test {
  if (match.kind === "value" && match.mask === undefined) {
    if (match.field === "th sport") return preparePort(match, (packet) => packet.sourcePorts);
    if (match.field === "th dport") return preparePort(match, (packet) => packet.destinationPorts);
  }
  if (match.kind === "value") {
    const read = readerOf(match.field);
    const equal = match.op === "==";
    const [only, second] = match.values;
    // The commonest form without a second call.
    if (typeof only === "number" && second === undefined && match.mask === undefined && match.field !== "ct status") {
      return equal ? (packet) => read(packet) === only : (packet) => differs(read(packet), only);
    }
    const compare = comparison(match.field, match.values, match.mask);
    return (packet) => {
      const value = read(packet);
      return value !== undefined && compare(value) === equal;
    };
  }
  const set = table.set(match.set);
  const equal = match.op === "==";
  const find = set.elements.length === 0 && set.dynamicTimeoutSeconds !== undefined ? undefined : indexSet(set).finder(match.fields);
  const fields = match.fields.map(readerOf);
  return (packet) => {
    packet.lacked = false;
    const found = find?.(packet) !== undefined || inDynamicSet(set, fields, packet);
    return !packet.lacked && found === equal;
  };
}

/** The port may have been drawn by a translation, and then is any of a range: chance says of which part, which it is in from then on. */
function preparePort(
  { field, values, op }: Extract<Match, { readonly kind: "value" }>,
  drawnOf: (packet: Packet) => DrawnPorts | undefined,
): Test {
  const read = readerOf(field);
  const compare = comparison(field, values, undefined);
  const equal = op === "==";
  const edges = values.flatMap((value) => {
    const { first, last } = typeof value === "object" ? value : { first: Number(value), last: Number(value) };
    return [first, last + 1];
  });
  return (packet) => {
    const drawn = drawnOf(packet);
    const port = drawn === undefined ? read(packet) : drawPart(packet, drawn, edges);
    return port !== undefined && compare(port) === equal;
  };
}

/** Narrows the ports of a flow to one of the parts that `edges` cut them into; returns a port of it. */
function drawPart(packet: Packet, drawn: DrawnPorts, edges: readonly number[]): number {
  const inside = edges.filter((edge) => edge > drawn.first && edge <= drawn.last).sort((a, b) => a - b);
  const starts = [drawn.first, ...new Set(inside)];
  const parts = starts.map((first, at): PortRange => ({ first, last: (starts[at + 1] ?? drawn.last + 1) - 1 }));
  const part = parts[packet.chance.weigh(parts.map(({ first, last }) => last - first + 1))];
  if (part === undefined || parts.length === 1) return drawn.first;
  Object.assign(drawn, part);
  packet.steps?.push({ kind: "choose", what: `the port that was drawn is one of ${part.first} to ${part.last}` });
  return part.first;
}

function differs(value: number | string | undefined, other: number): boolean {
  return value !== undefined && value !== other;
}

function inDynamicSet(set: NamedSet, fields: readonly Reader[], packet: Packet): boolean {
  if (set.dynamicTimeoutSeconds === undefined || packet.lacked) return false;
  const key = dynamicKey(fields, packet);
  if (key === undefined) {
    packet.lacked = true;
    return false;
  }
  const ends = packet.dynamicSets?.dynamicSet(set)?.get(key);
  return ends !== undefined && ends > packet.now;
}

function prepareStatement(context: RuleContext, statement: Statement): Act {
  const constant = constantDecision(context, statement);
  if (constant !== undefined) return () => constant;
  switch (statement.kind) {
    case "vmap": {
      const map = context.table.map(statement.map);
      const find = indexMap(map).finder(statement.fields);
      const decisions = new Map<MapElement, Decision>();
      return (packet) => {
        const element = find(packet);
        if (element === undefined) return broken;
        let decision = decisions.get(element);
        if (decision === undefined) {
          const verdict = element.value;
          if (!("verdict" in verdict)) throw new Error(`${context.element} takes a verdict from the map ${map.name}, which holds values`);
          decision = decide(context, verdict, element.origin ?? context.origin, undefined, `${map.name} has ${keyText(element)}`);
          decisions.set(element, decision);
        }
        return decision;
      };
    }
    case "random-vmap": {
      const count = statement.verdicts.length;
      const decisions = statement.verdicts.map((verdict, at) =>
        decide(context, verdict, context.origin, undefined, `chance picks ${at + 1} of ${count}`, "choose"),
      );
      return (packet) => decisions[packet.chance.pick(count)];
    }
    case "set-mark":
      return prepareMark(context, statement.target, statement.value);
    case "dnat":
      return prepareDnat(context, statement.to);
    case "update-set": {
      const set = context.table.set(statement.set);
      const fields = statement.fields.map(readerOf);
      return (packet) => {
        const key = dynamicKey(fields, packet);
        if (key === undefined) return broken;
        remember(packet, set, key);
        return undefined;
      };
    }
    case "notrack":
      return (packet) => {
        if (packet.connection === undefined && packet.state === state.none) packet.state = state.untracked;
        return undefined;
      };
    default:
      throw new Error(`the tracer does not know the statement ${JSON.stringify(statement)}`);
  }
}

function remember(packet: Packet, set: NamedSet, key: string): void {
  if (packet.dynamicSets === undefined) return;
  const keys = packet.dynamicSets.makeDynamicSet(set);
  if (!keys.has(key)) packet.changes++;
  keys.set(key, packet.now + (set.dynamicTimeoutSeconds ?? Number.POSITIVE_INFINITY));
}

function prepareMark(context: RuleContext, target: "meta" | "ct", value: MarkValue): Act {
  const compute = markValue(context, target, value);
  const name = target === "meta" ? "packet mark" : "connection mark";
  const chosen = value.kind === "random" ? "chance" : value.kind === "hash" ? `the hash of ${value.fields.join(" . ")}` : undefined;
  const range = value.kind === "random" || value.kind === "hash" ? ` of ${value.offset} to ${value.offset + value.modulus - 1}` : "";
  const steps = new Map<number | Origin, Step>();
  const stepOf = (mark: number, origin: Origin | undefined): Step => {
    const known = steps.get(origin ?? mark);
    if (known !== undefined) return known;
    const what = chosen === undefined ? `${name} := 0x${mark.toString(16)}` : `${chosen} picks ${mark}${range} for the ${name}`;
    const step: Step = { kind: chosen === undefined ? "mark" : "choose", what, element: context.element, origin: origin ?? context.origin };
    if (steps.size >= rememberedSteps) steps.clear();
    steps.set(origin ?? mark, step);
    return step;
  };
  return (packet) => {
    const found = compute(packet);
    if (found === undefined) return broken;
    const mark = typeof found === "number" ? found : found.mark;
    if (target === "meta") packet.mark = mark;
    else if (packet.connection !== undefined) {
      if (packet.connection.mark !== mark) packet.changes++;
      packet.connection.mark = mark;
    }
    packet.steps?.push(stepOf(mark, typeof found === "number" ? undefined : found.origin));
    return undefined;
  };
}

/** Texts kept per rule that sets a mark. */
const rememberedSteps = 4096;

/** A mark from a map brings its element's origin. `undefined` from the function ends the rule. */
function markValue(
  context: RuleContext,
  target: "meta" | "ct",
  value: MarkValue,
): (packet: Packet) => number | { readonly mark: number; readonly origin: Origin } | undefined {
  switch (value.kind) {
    case "constant":
      return () => value.value >>> 0;
    case "or":
      return target === "meta"
        ? (packet) => (packet.mark | value.value) >>> 0
        : (packet) => (packet.connection === undefined ? undefined : (packet.connection.mark | value.value) >>> 0);
    case "random":
      return (packet) => (value.offset + packet.chance.pick(value.modulus)) >>> 0;
    case "copy":
      return value.from === "meta" ? (packet) => packet.mark : (packet) => packet.connection?.mark;
    case "hash": {
      const fields = value.fields.map((field) => ({ field, read: readerOf(field) }));
      const words: number[] = [];
      const [only] = value.fields;
      const alone = value.fields.length === 1 && only !== undefined ? bytesOf(only) : undefined;
      const ofSourcePort = value.fields.includes("th sport");
      const ofDestinationPort = value.fields.includes("th dport");
      return (packet) => {
        // The hash of a port that a translation draws by chance is chance.
        const isDrawn = (ofSourcePort && packet.sourcePorts !== undefined) || (ofDestinationPort && packet.destinationPorts !== undefined);
        if (isDrawn) return (value.offset + packet.chance.pick(value.modulus)) >>> 0;
        words.length = 0;
        for (const { field, read } of fields) {
          const part = read(packet);
          if (part === undefined) return undefined;
          appendWords(words, field, part);
        }
        return (value.offset + jhashSlot(words, alone ?? words.length * 4, value.seed, value.modulus)) >>> 0;
      };
    }
    case "map": {
      const find = indexMap(context.table.map(value.map)).finder(value.fields);
      const marks = new Map<MapElement, { readonly mark: number; readonly origin: Origin }>();
      return (packet) => {
        const element = find(packet);
        const mark = Array.isArray(element?.value) ? element.value[0] : undefined;
        if (element === undefined || typeof mark !== "number") return undefined;
        if (element.origin === undefined) return mark;
        let found = marks.get(element);
        if (found === undefined) {
          found = { mark, origin: element.origin };
          marks.set(element, found);
        }
        return found;
      };
    }
    default:
      return unsupportedMark(value);
  }
}

function unsupportedMark(value: never): never {
  throw new Error(`the tracer does not know the mark value ${JSON.stringify(value)}`);
}

function prepareDnat(context: RuleContext, to: Extract<Statement, { kind: "dnat" }>["to"]): Act {
  if ("address" in to) throw new Error("a constant translation is decided beforehand");
  const map = context.table.map(to.map);
  const find = indexMap(map).finder(to.fields);
  const decisions = new Map<MapElement, Decision>();
  return (packet) => {
    const element = find(packet);
    if (element === undefined) return broken;
    let decision = decisions.get(element);
    if (decision === undefined) {
      decision = { ...translation(context, "dnat", element.origin ?? context.origin), ...target(map.value, element) };
      decisions.set(element, decision);
    }
    return decision;
  };
}

/** Address and port from an element of a map. */
function target(types: NamedMap["value"], element: MapElement): { address: Ip; port?: number } {
  const value = Array.isArray(element.value) ? element.value : [];
  let address: Address | undefined;
  let port: number | undefined;
  for (const [at, datum] of value.entries()) {
    const type: DatumType | undefined = types === "verdict" ? undefined : types[at];
    if ((type === "ipv4_addr" || type === "ipv6_addr") && typeof datum === "string") address = parseAddress(datum);
    else if (type === "inet_service" && typeof datum === "number") port = datum;
  }
  if (address === undefined) throw new Error(`an element of a map for destination NAT holds no address: ${JSON.stringify(element)}`);
  return port === undefined ? { address: ipOf(address) } : { address: ipOf(address), port };
}

function translation(context: RuleContext, kind: "dnat" | "snat" | "masquerade", origin: Origin): Decision {
  return { kind, disposition: "delivered", element: context.element, origin };
}

const broken: Decision = { kind: "break", disposition: "delivered", element: "", origin: undefined };

function decide(
  context: RuleContext,
  verdict: Verdict,
  origin: Origin,
  disposition: Disposition | undefined,
  because?: string,
  kind: "match" | "choose" = "match",
): Decision {
  const { element } = context;
  const decided = { disposition: disposition ?? "dropped", element, origin };
  const text = (what: string) => (because === undefined ? what : `${because}: ${what}`);
  switch (verdict.verdict) {
    case "accept":
      return { kind: "accept", ...decided, step: { kind: "accept", what: text("accepted"), element, origin } };
    case "drop":
      return {
        kind: "drop",
        ...decided,
        step: { kind: "drop", what: text(disposition === undefined ? "dropped" : `dropped: ${disposition}`), element, origin },
      };
    case "return":
      return { kind: "return", ...decided, step: { kind, what: text("back"), element, origin } };
    default:
      return {
        kind: verdict.verdict,
        ...decided,
        chain: context.table.chain(verdict.chain),
        step: { kind, what: text(`on to chain ${verdict.chain}`), element, origin },
      };
  }
}

function keyText(element: MapElement): string {
  return element.key.map((part) => (typeof part === "object" ? `${part.first}-${part.last}` : part)).join(" . ");
}
