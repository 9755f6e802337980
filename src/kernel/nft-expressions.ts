/**
 * A rule as the small program that nf_tables runs for it: expressions that load registers, compare them and act (enum nft_*_attributes in
 * include/uapi/linux/netfilter/nf_tables.h). They are those that `nft` makes of the rule's text, so that it lists a rule as `render` writes it.
 *
 * There are 16 registers of four bytes, here counted from 0. A field or a concatenation is loaded from the first on.
 */

import type { Datum, DatumType, Field, MarkValue, Match, Rule, Statement, Table, Verdict } from "../ir/ruleset.ts";
import { familyOf } from "../net/address.ts";
import { nftName } from "../render/nft-names.ts";
import type { Marking } from "./nft-change.ts";
import { bytesOf, bytesOfAll, bytesOfValue, type DataType, isWide, maskBytes, paddedBytes, wordBytes } from "./nft-data.ts";

/** An attribute of an expression: its number and what is in it. Numbers are in network order. */
export type Attribute = readonly [type: number, content: Content];
export type Content =
  | { readonly u32: number }
  | { readonly u8: number }
  | { readonly text: string }
  /** Data of a register. */
  | { readonly data: Uint8Array }
  | { readonly verdict: Verdict }
  /** For a lookup: a set without a name, by its place in {@link Program.sets}. */
  | { readonly set: number };

export type Expression = { readonly name: string; readonly attributes: readonly Attribute[] };

/** A set that belongs to one rule; with verdicts it is a map. */
export type AnonymousSet = {
  readonly type: DataType;
  readonly interval: boolean;
  readonly elements: readonly { readonly key: readonly (Datum | string)[]; readonly value?: Verdict }[];
};

export type Program = { readonly expressions: readonly Expression[]; readonly sets: readonly AnonymousSet[] };

/** Throws when the rule says what nf_tables can't do. */
export function programOf(rule: Rule, table: Table, marking?: Marking): Program {
  const program = new Builder(table);
  for (const match of rule.matches) program.match(match);
  for (const statement of rule.statements) program.statement(statement);
  if (marking !== undefined) program.mark(marking);
  return program;
}

/** How a field is read: from where, and in which packets it is there at all. */
type Source = { readonly type: DataType; readonly family?: 4 | 6; readonly protocol?: number } & (
  | { readonly from: "payload"; readonly header: "network" | "transport"; readonly offset: number }
  | { readonly from: "meta"; readonly key: number }
  | { readonly from: "ct"; readonly key: number; readonly direction?: "original" | "reply" }
  | { readonly from: "fib"; readonly of: "saddr" | "daddr" }
);

const ICMP = 1;
const TCP = 6;
const ICMPV6 = 58;

const meta = { mark: 3, iifname: 6, oifname: 7, nftrace: 12, nfproto: 15, l4proto: 16 } as const;
const ct = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  protocol: 10,
  protoSrc: 11,
  protoDst: 12,
  srcIp: 19,
  dstIp: 20,
  srcIp6: 21,
  dstIp6: 22,
} as const;

const sources: Readonly<Record<Field, Source>> = {
  "ip saddr": { type: "ipv4_addr", family: 4, from: "payload", header: "network", offset: 12 },
  "ip daddr": { type: "ipv4_addr", family: 4, from: "payload", header: "network", offset: 16 },
  "ip6 saddr": { type: "ipv6_addr", family: 6, from: "payload", header: "network", offset: 8 },
  "ip6 daddr": { type: "ipv6_addr", family: 6, from: "payload", header: "network", offset: 24 },
  "meta l4proto": { type: "inet_proto", from: "meta", key: meta.l4proto },
  "th sport": { type: "inet_service", from: "payload", header: "transport", offset: 0 },
  "th dport": { type: "inet_service", from: "payload", header: "transport", offset: 2 },
  "icmp type": { type: "icmp_type", family: 4, protocol: ICMP, from: "payload", header: "transport", offset: 0 },
  "icmpv6 type": { type: "icmpv6_type", family: 6, protocol: ICMPV6, from: "payload", header: "transport", offset: 0 },
  iifname: { type: "ifname", from: "meta", key: meta.iifname },
  oifname: { type: "ifname", from: "meta", key: meta.oifname },
  "meta mark": { type: "mark", from: "meta", key: meta.mark },
  "ct mark": { type: "mark", from: "ct", key: ct.mark },
  "ct state": { type: "ct_state", from: "ct", key: ct.state },
  "ct direction": { type: "ct_dir", from: "ct", key: ct.direction },
  "ct status": { type: "ct_status", from: "ct", key: ct.status },
  "ct original ip saddr": { type: "ipv4_addr", from: "ct", key: ct.srcIp, direction: "original" },
  "ct original ip daddr": { type: "ipv4_addr", from: "ct", key: ct.dstIp, direction: "original" },
  "ct original ip6 saddr": { type: "ipv6_addr", from: "ct", key: ct.srcIp6, direction: "original" },
  "ct original ip6 daddr": { type: "ipv6_addr", from: "ct", key: ct.dstIp6, direction: "original" },
  "ct original proto-dst": { type: "inet_service", from: "ct", key: ct.protoDst, direction: "original" },
  "ct original protocol": { type: "inet_proto", from: "ct", key: ct.protocol, direction: "original" },
  "ct reply ip saddr": { type: "ipv4_addr", from: "ct", key: ct.srcIp, direction: "reply" },
  "ct reply ip6 saddr": { type: "ipv6_addr", from: "ct", key: ct.srcIp6, direction: "reply" },
  "ct reply proto-src": { type: "inet_service", from: "ct", key: ct.protoSrc, direction: "reply" },
  "fib daddr type": { type: "fib_addrtype", from: "fib", of: "daddr" },
  "fib saddr type": { type: "fib_addrtype", from: "fib", of: "saddr" },
};

/** `nft` takes ports in a translation, and those of a connection, only after a match on the protocol. Here: every protocol that has ports or ids. */
const protocolsWithPorts = ["tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmpv6"];
const connectionPorts: ReadonlySet<Field> = new Set(["ct original proto-dst", "ct reply proto-src"]);

const comparisons = { "==": 0, "!=": 1, "<=": 3, ">=": 5 } as const;

/** NFT_REG32_00 is 8. */
const register = (word: number): Content => ({ u32: 8 + word });
const verdictRegister: Content = { u32: 0 };
const NFPROTO_IPV4 = 2;
const NFPROTO_IPV6 = 10;

class Builder implements Program {
  readonly expressions: Expression[] = [];
  readonly sets: AnonymousSet[] = [];
  readonly #table: Table;
  /** What every packet that got so far is known to be. */
  #family: 4 | 6 | undefined;
  #protocol: number | undefined;
  #protocolTold = false;

  constructor(table: Table) {
    this.#table = table;
    this.#family = table.family === "ip" ? 4 : table.family === "ip6" ? 6 : undefined;
  }

  match(match: Match): void {
    if (match.kind === "lookup") {
      this.#needPorts(match.fields);
      this.#load(match.fields);
      this.#lookup({ text: nftName(match.set) }, match.op === "!=" ? [[5, { u32: 1 }]] : []);
      return;
    }
    const { field, op, values, mask } = match;
    const [first, second] = values;
    if (first === undefined) throw new Error(`nft: a match on ${field} without values`);
    this.#needPorts([field]);
    this.#load([field]);
    if (field === "ct status") this.#matchAnyBit(field, values, op);
    else {
      if (mask !== undefined) this.#mask(wordBytes(mask));
      if (second !== undefined) this.#matchOneOf(field, values, op);
      else this.#matchOne(field, first, op);
    }
    if (field !== "meta l4proto" || op !== "==") return;
    this.#protocolTold = true;
    if (second === undefined) this.#protocol = bytesOfValue("inet_proto", first)[0];
  }

  statement(statement: Statement): void {
    switch (statement.kind) {
      case "verdict":
        this.#immediate(verdictRegister, { verdict: statement });
        return;
      case "reject":
        this.#reject(statement.with);
        return;
      case "vmap":
        this.#load(statement.fields);
        this.#lookup({ text: nftName(statement.map) }, [[3, verdictRegister]]);
        return;
      case "random-vmap": {
        this.#numgen(statement.verdicts.length, 0);
        const elements = statement.verdicts.map((value, slot) => ({ key: [slot], value }));
        this.#lookup(this.#anonymous({ type: "integer", interval: false, elements }), [[3, verdictRegister]]);
        return;
      }
      case "set-mark":
        this.#setMark(statement.target, statement.value);
        return;
      case "dnat":
        this.#dnat(statement.to);
        return;
      case "snat": {
        const { address, ports } = statement;
        if (ports !== undefined) this.#needProtocol();
        this.#loadAddress(address);
        if (ports !== undefined) {
          this.#immediate(register(4), { data: bytesOfValue("inet_service", ports.first) });
          this.#immediate(register(8), { data: bytesOfValue("inet_service", ports.last) });
        }
        const range: readonly Attribute[] =
          ports === undefined
            ? []
            : [
                [5, register(4)],
                [6, register(8)],
              ];
        this.#nat("snat", familyOf(address), range);
        return;
      }
      case "masquerade":
        // NF_NAT_RANGE_PROTO_RANDOM_FULLY
        this.#add("masq", statement.flag === undefined ? [] : [[1, { u32: 0x10 }]]);
        return;
      case "notrack":
      case "counter":
        this.#add(statement.kind, []);
        return;
      case "update-set":
        this.#load(statement.fields);
        this.#add("dynset", [
          [1, { text: nftName(statement.set) }],
          [3, { u32: 1 /* NFT_DYNSET_OP_UPDATE */ }],
          [4, register(0)],
        ]);
    }
  }

  mark({ dscp }: Marking): void {
    if (dscp !== undefined) {
      this.#needFamily(dscp.family, "dscp");
      // IPv4: the second byte's upper six bits. IPv6: they lie across the first two bytes.
      const [offset, bytes, shift] = dscp.family === 4 ? [1, 1, 2] : [0, 2, 6];
      const inPlace = (bits: number): Uint8Array => Uint8Array.of(bits >>> 8, bits & 0xff).subarray(2 - bytes);
      this.#loadPayload("network", offset, bytes, 0);
      this.#mask(inPlace(0x3f << shift));
      this.#compare("==", inPlace(dscp.value << shift));
    }
    this.#immediate(register(0), { data: Uint8Array.of(1) });
    this.#add("meta", [
      [2, { u32: meta.nftrace }],
      [3, register(0)],
    ]);
  }

  #add(name: string, attributes: readonly Attribute[]): void {
    this.expressions.push({ name, attributes });
  }

  #needPorts(fields: readonly Field[]): void {
    if (fields.some((field) => connectionPorts.has(field))) this.#needProtocol();
  }

  #needProtocol(): void {
    if (!this.#protocolTold) this.match({ kind: "value", field: "meta l4proto", op: "==", values: protocolsWithPorts });
  }

  /** Only packets that can have the field go on. */
  #need({ family, protocol }: Source, field: Field): void {
    if (family !== undefined) this.#needFamily(family, field);
    if (protocol !== undefined) this.#needOne(protocol);
  }

  #needFamily(family: 4 | 6, what: string): void {
    if (this.#family === undefined) {
      this.#loadMeta(meta.nfproto, 0);
      this.#compare("==", Uint8Array.of(family === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6));
      this.#family = family;
    } else if (this.#family !== family) throw new Error(`nft: ${what} of a packet of IPv${this.#family}`);
  }

  #needOne(protocol: number): void {
    if (this.#protocol === protocol) return;
    this.#loadMeta(meta.l4proto, 0);
    this.#compare("==", Uint8Array.of(protocol));
    this.#protocol = protocol;
  }

  /** The fields one after the other, from `word` on. Returns their bytes. */
  #load(fields: readonly Field[], word = 0): number {
    for (const field of fields) this.#need(sources[field], field);
    let at = word;
    for (const field of fields) {
      this.#loadOne(sources[field], at);
      at += paddedBytes(sources[field].type) / 4;
    }
    return bytesOfAll(fields.map((field) => sources[field].type));
  }

  #loadOne(source: Source, word: number): void {
    switch (source.from) {
      case "payload":
        this.#loadPayload(source.header, source.offset, bytesOf(source.type), word);
        return;
      case "meta":
        this.#loadMeta(source.key, word);
        return;
      case "ct":
        this.#add("ct", [
          [1, register(word)],
          [2, { u32: source.key }],
          ...(source.direction === undefined ? [] : [[3, { u8: source.direction === "original" ? 0 : 1 }] as const]),
        ]);
        return;
      case "fib":
        this.#add("fib", [
          [1, register(word)],
          [2, { u32: 3 /* NFT_FIB_RESULT_ADDRTYPE */ }],
          [3, { u32: source.of === "saddr" ? 1 : 2 }],
        ]);
    }
  }

  #loadPayload(header: "network" | "transport", offset: number, bytes: number, word: number): void {
    this.#add("payload", [
      [1, register(word)],
      [2, { u32: header === "network" ? 1 : 2 }],
      [3, { u32: offset }],
      [4, { u32: bytes }],
    ]);
  }

  #loadMeta(key: number, word: number): void {
    this.#add("meta", [
      [1, register(word)],
      [2, { u32: key }],
    ]);
  }

  #compare(op: keyof typeof comparisons, data: Uint8Array): void {
    this.#add("cmp", [
      [1, register(0)],
      [2, { u32: comparisons[op] }],
      [3, { data }],
    ]);
  }

  /** register & mask ^ flip */
  #mask(mask: Uint8Array, flip: Uint8Array = new Uint8Array(mask.length)): void {
    this.#add("bitwise", [
      [1, register(0)],
      [2, register(0)],
      [3, { u32: mask.length }],
      [4, { data: mask }],
      [5, { data: flip }],
    ]);
  }

  #matchOne(field: Field, value: Datum | string, op: "==" | "!="): void {
    const { type } = sources[field];
    const first = bytesOfValue(type, value);
    if (field === "ct state" && op === "==") this.#matchAnyBit(field, [value], op);
    else if (!isWide(value)) this.#compare(op, first);
    else if (typeof value === "string" && (type === "ipv4_addr" || type === "ipv6_addr")) {
      this.#mask(maskBytes(type, value));
      this.#compare(op, first);
    } else if (op === "==") {
      this.#compare(">=", first);
      this.#compare("<=", bytesOfValue(type, value, "last"));
    } else {
      this.#add("range", [
        [1, register(0)],
        [2, { u32: 1 /* NFT_RANGE_NEQ */ }],
        [3, { data: first }],
        [4, { data: bytesOfValue(type, value, "last") }],
      ]);
    }
  }

  #matchOneOf(field: Field, values: readonly (Datum | string)[], op: "==" | "!="): void {
    // As in text: prefixes make a set of intervals, also those of one address.
    const interval = values.some((value) => typeof value === "object" || (typeof value === "string" && value.includes("/")));
    const set = this.#anonymous({ type: sources[field].type, interval, elements: values.map((value) => ({ key: [value] })) });
    this.#lookup(set, op === "!=" ? [[5, { u32: 1 }]] : []);
  }

  /** Several bits are set at once: the question is whether one of these is. */
  #matchAnyBit(field: Field, values: readonly (Datum | string)[], op: "==" | "!="): void {
    const bits = new Uint8Array(4);
    for (const value of values)
      for (const [index, byte] of bytesOfValue(sources[field].type, value).entries()) bits[index] = (bits[index] ?? 0) | byte;
    this.#mask(bits);
    this.#compare(op === "==" ? "!=" : "==", new Uint8Array(4));
  }

  #anonymous(set: AnonymousSet): Content {
    this.sets.push(set);
    return { set: this.sets.length - 1 };
  }

  #lookup(set: Content, more: readonly Attribute[]): void {
    this.#add("lookup", [[1, set], [2, register(0)], ...more]);
  }

  #immediate(to: Content, data: Content): void {
    this.#add("immediate", [
      [1, to],
      [2, data],
    ]);
  }

  #numgen(modulus: number, offset: number): void {
    this.#add("numgen", [
      [1, register(0)],
      [2, { u32: modulus }],
      [3, { u32: 1 /* NFT_NG_RANDOM */ }],
      [4, { u32: offset }],
    ]);
  }

  #reject(how: "tcp reset" | "icmp port-unreachable" | "icmp admin-prohibited"): void {
    if (how === "tcp reset") this.#needOne(TCP);
    const { family } = this.#table;
    const [type, port, prohibited] = family === "inet" ? [2, 1, 3] : family === "ip" ? [0, 3, 13] : [0, 4, 1];
    this.#add("reject", [
      [1, { u32: how === "tcp reset" ? 1 : type }],
      [2, { u8: how === "tcp reset" ? 0 : how === "icmp port-unreachable" ? port : prohibited }],
    ]);
  }

  #setMark(target: "meta" | "ct", value: MarkValue): void {
    this.#loadMark(target, value);
    const [name, key, from] = target === "meta" ? ["meta", meta.mark, 3] : ["ct", ct.mark, 4];
    this.#add(name === "meta" ? "meta" : "ct", [
      [2, { u32: Number(key) }],
      [Number(from), register(0)],
    ]);
  }

  #loadMark(target: "meta" | "ct", value: MarkValue): void {
    switch (value.kind) {
      case "constant":
        this.#immediate(register(0), { data: wordBytes(value.value) });
        return;
      case "or":
        this.#load([target === "meta" ? "meta mark" : "ct mark"]);
        this.#mask(wordBytes(~value.value >>> 0), wordBytes(value.value));
        return;
      case "random":
        this.#numgen(value.modulus, value.offset);
        return;
      case "hash": {
        const length = this.#load(value.fields, 4);
        this.#add("hash", [
          [1, register(4)],
          [2, register(0)],
          [3, { u32: length }],
          [4, { u32: value.modulus }],
          [5, { u32: value.seed }],
          [6, { u32: value.offset }],
          [7, { u32: 0 /* NFT_HASH_JENKINS */ }],
        ]);
        return;
      }
      case "copy":
        this.#load([value.from === "meta" ? "meta mark" : "ct mark"]);
        return;
      case "map":
        this.#load(value.fields);
        this.#lookup({ text: nftName(value.map) }, [[3, register(0)]]);
    }
  }

  #dnat(to: (Statement & { readonly kind: "dnat" })["to"]): void {
    if ("address" in to) {
      const { address, port } = to;
      if (port !== undefined) this.#needProtocol();
      this.#loadAddress(address);
      if (port !== undefined) this.#immediate(register(4), { data: bytesOfValue("inet_service", port) });
      this.#nat("dnat", familyOf(address), port === undefined ? [] : [[5, register(4)]]);
      return;
    }
    const map = this.#table.maps.find((candidate) => candidate.name === to.map);
    if (map === undefined || map.value === "verdict") throw new Error(`nft: table ${this.#table.name} has no map ${to.map} to addresses`);
    const [address, port]: readonly (DatumType | undefined)[] = map.value;
    this.#load(to.fields);
    this.#lookup({ text: nftName(to.map) }, [[3, register(0)]]);
    const family = address === "ipv6_addr" ? 6 : 4;
    this.#nat("dnat", family, port === undefined ? [] : [[5, register(family === 6 ? 4 : 1)]]);
  }

  #loadAddress(address: string): void {
    this.#immediate(register(0), { data: bytesOfValue(address.includes(":") ? "ipv6_addr" : "ipv4_addr", address) });
  }

  #nat(type: "snat" | "dnat", family: 4 | 6, ports: readonly Attribute[]): void {
    this.#add("nat", [
      [1, { u32: type === "snat" ? 0 : 1 }],
      [2, { u32: family === 4 ? NFPROTO_IPV4 : NFPROTO_IPV6 }],
      [3, register(0)],
      ...ports,
    ]);
  }
}
