/**
 * Random small networks and packets: everything that hosts may have, in combinations that nobody would think of. For properties, and for
 * comparing the tracer with the kernel, which takes all of them but those with a route by way of the host itself.
 */

import type { Host, Interface } from "../../ir/network.ts";
import type { Chain, DatumType, Hook, MapElement, MarkValue, Match, Rule, Statement } from "../../ir/ruleset.ts";
import { mustAddress } from "../../net/address.ts";
import type { TracePacket } from "../tracer.ts";
import {
  accept,
  base,
  bridge,
  chain,
  discard,
  drop,
  element,
  goBack,
  goto,
  host,
  is,
  isNot,
  jump,
  loopback,
  masquerade,
  route,
  rule,
  table,
  veth,
} from "./network.ts";

export type RandomNetwork = {
  readonly hosts: readonly Host[];
  readonly packets: readonly { readonly from: string; readonly packet: TracePacket }[];
};

/** The same network for the same seed. */
export function randomNetwork(seed: number): RandomNetwork {
  return new Generator(seed).network();
}

type End = {
  readonly host: number;
  readonly name: string;
  readonly link: number;
  port: { readonly bridge: string; readonly isolated: boolean; readonly hairpin: boolean } | undefined;
};
type Owner = { readonly host: number; readonly segment: number; readonly address: string };
type Leg = { readonly name: string; readonly segment: number };

const key: readonly DatumType[] = ["ipv4_addr", "inet_proto", "inet_service"];
const fields = ["ip daddr", "meta l4proto", "th dport"] as const;

class Generator {
  #state: number;
  readonly #owners: Owner[] = [];
  #segments = 1;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  network(): RandomNetwork {
    const size = 3 + this.#below(4);
    const bridged = this.#times(size, () => this.#chance(0.35));
    const ends = this.#links(size, bridged);
    const segmentOf = this.#segmentsOf(ends);
    const parts = bridged.map((hasBridge, at) => this.#interfaces(at, hasBridge, ends, segmentOf));
    const hosts = parts.map(({ interfaces, legs }, at) => this.#host(at, interfaces, legs));
    const packets = hosts.flatMap(({ name }) => this.#times(8, () => ({ from: name, packet: this.#packet() })));
    return { hosts, packets: packets.map(({ from, packet }, at) => ({ from, packet: { ...packet, sourcePort: 40_001 + at } })) };
  }

  #packet(): TracePacket {
    const destination = this.#chance(0.85) ? this.#address() : this.#pick(["10.9.9.9", "10.9.0.1", "127.0.0.1", "10.0.0.255", "10.0.1.99"]);
    return { protocol: this.#protocol(), destination: mustAddress(destination), destinationPort: this.#pick([80, 80, 81, 82]) };
  }

  /** A tree of links and some more. No loops of bridges. */
  #links(size: number, bridged: readonly boolean[]): End[] {
    const ends: End[] = [];
    const groups = new Groups();
    const link = (a: number, b: number) => {
      const number = ends.length / 2;
      for (const [at, side] of [
        [a, "a"],
        [b, "b"],
      ] as const) {
        const asPort = bridged[at] === true && this.#chance(0.75);
        const port = asPort ? { bridge: "bridge0", isolated: this.#chance(0.3), hairpin: this.#chance(0.3) } : undefined;
        ends.push({
          host: at,
          name: `e${number}${side}`,
          link: number,
          port: port !== undefined && groups.join(`link ${number}`, `bridge ${at}`) ? port : undefined,
        });
      }
    };
    for (let at = 1; at < size; at++) link(at, this.#below(at));
    for (let more = this.#below(3); more > 0; more--) {
      const [a, b] = [this.#below(size), this.#below(size)];
      if (a !== b) link(a, b);
    }
    return ends;
  }

  #segmentsOf(ends: readonly End[]): (name: string) => number {
    const groups = new Groups();
    for (const end of ends) if (end.port !== undefined) groups.join(`link ${end.link}`, `bridge ${end.host}`);
    const numbers = new Map<string, number>();
    return (name) => {
      const group = groups.find(name);
      const number = numbers.get(group) ?? numbers.size;
      numbers.set(group, number);
      this.#segments = Math.max(this.#segments, number + 1);
      return number;
    };
  }

  #interfaces(
    at: number,
    hasBridge: boolean,
    ends: readonly End[],
    segmentOf: (name: string) => number,
  ): { interfaces: Interface[]; legs: Leg[] } {
    const interfaces: Interface[] = [];
    const legs: Leg[] = [];
    for (const end of ends) {
      const peer = ends.find((other) => other.link === end.link && other !== end);
      if (end.host !== at || peer === undefined) continue;
      const segment = segmentOf(`link ${end.link}`);
      const peerName = `h${peer.host} ${peer.name}`;
      if (end.port === undefined) {
        interfaces.push(veth(end.name, peerName, this.#addresses(at, segment), { proxyArp: this.#chance(0.3) }));
        legs.push({ name: end.name, segment });
      } else interfaces.push(veth(end.name, peerName, [], end.port));
    }
    if (hasBridge) {
      const segment = segmentOf(`bridge ${at}`);
      interfaces.push(bridge("bridge0", this.#addresses(at, segment), { proxyArp: this.#chance(0.4) }));
      legs.push({ name: "bridge0", segment });
    }
    if (this.#chance(0.25)) {
      const address = `10.0.${this.#below(7)}.${200 + at}`;
      this.#owners.push({ host: at, segment: -1, address });
      interfaces.push(loopback(`${address}/${this.#chance(0.15) ? 28 : 32}`));
    }
    if (this.#chance(0.2)) interfaces.push(discard("none"));
    return { interfaces, legs };
  }

  #addresses(at: number, segment: number): string[] {
    const count = this.#chance(0.1) ? 0 : this.#chance(0.2) ? 2 : 1;
    return this.#times(count, () => {
      const address = `10.0.${this.#chance(0.1) ? this.#below(6) : segment}.${(at + 1) * 10 + this.#below(8)}`;
      if (this.#owners.some((owner) => owner.address === address)) return [];
      this.#owners.push({ host: at, segment, address });
      return [`${address}/${this.#chance(0.15) ? 32 : this.#chance(0.1) ? 16 : 24}`];
    }).flat();
  }

  #host(at: number, interfaces: readonly Interface[], legs: readonly Leg[]): Host {
    const routes: string[] = [];
    const rules: string[] = [];
    if (this.#chance(0.8)) routes.push(...this.#viaNeighbour(at, legs, "default"));
    routes.push(...this.#times(this.#below(4), () => this.#route(at, interfaces, legs)));
    if (this.#chance(0.4)) {
      for (const number of [100, 101]) {
        routes.push(...this.#times(this.#below(4), () => `${this.#route(at, interfaces, legs, true)} table ${number}`));
      }
      rules.push(...this.#times(1 + this.#below(3), (index) => this.#policyRule(100 + index, legs)));
    }
    const tables = this.#chance(0.55) ? [this.#table(at, legs)] : [];
    const listen = ["80/tcp", "80/udp", "81/tcp", "81/udp"];
    const made = host(`h${at}`, { forwarding: this.#chance(0.75), interfaces, rules, tables, listen });
    // Linux refuses a second route for the same prefix and metric.
    const seen = new Set<string>();
    const unique = routes
      .filter((text) => text !== "")
      .map(route)
      .filter(({ table: number, dst }) => !seen.has(`${number} ${dst}`) && seen.add(`${number} ${dst}`));
    return { ...made, routes: unique };
  }

  #route(at: number, interfaces: readonly Interface[], legs: readonly Leg[], inOwnTable = false): string {
    const segment = `10.0.${this.#below(this.#segments + 1)}.0/24`;
    const target = this.#pick([
      "default",
      "default",
      segment,
      segment,
      "10.0.0.0/16",
      `${this.#address()}/32`,
      "10.9.0.0/24",
      "10.9.9.9/32",
    ]);
    const kind = this.#below(20);
    if (kind < 2) return `blackhole ${target}`;
    if (kind < 4) return `unreachable ${target}`;
    if (kind < 6 && inOwnTable) return `throw ${target}`;
    if (kind < 7 && interfaces.some((each) => each.kind === "discard")) return `${target} dev none`;
    if (kind < 8) return `local ${target === "default" ? "10.9.9.0/24" : target} dev lo${inOwnTable ? "" : " table 255"}`;
    const [found] = this.#viaNeighbour(at, legs, target);
    if (found !== undefined && this.#chance(0.8)) return found;
    return legs.length === 0 ? "blackhole default" : `${target} dev ${this.#pick(legs).name}`;
  }

  #viaNeighbour(at: number, legs: readonly Leg[], target: string): string[] {
    if (legs.length === 0) return [];
    const leg = this.#pick(legs);
    const neighbours = this.#owners.filter((owner) => owner.segment === leg.segment && owner.host !== at);
    return neighbours.length === 0 ? [] : [`${target} via ${this.#pick(neighbours).address} dev ${leg.name} onlink`];
  }

  #policyRule(priority: number, legs: readonly Leg[]): string {
    const conditions = [
      this.#chance(0.3) ? `from ${this.#pick([this.#address(), "10.0.0.0/24", "10.0.1.0/24"])}` : "",
      this.#chance(0.3) ? `to 10.0.${this.#below(this.#segments)}.0/24` : "",
      this.#chance(0.3) ? `iif ${this.#pick([...legs.map((leg) => leg.name), "lo"])}` : "",
      this.#chance(0.2) ? `fwmark ${1 + this.#below(3)}` : "",
      `table ${100 + this.#below(2)}`,
    ];
    return `${priority}: ${conditions.filter((text) => text !== "").join(" ")}`;
  }

  #table(at: number, legs: readonly Leg[]) {
    const services = new Map<string, MapElement["key"]>();
    for (let more = 5; more > 0; more--) {
      const service = [mustAddress(this.#service()), this.#protocol(), this.#pick([80, 81, 82])];
      services.set(service.join(), service);
    }
    const keys = [...services.values()];
    const verdicts = [
      { verdict: "drop" },
      { verdict: "accept" },
      { verdict: "goto", chain: "sub" },
      { verdict: "jump", chain: "sub" },
    ] as const;
    const maps = [
      { name: "verdicts", key, value: "verdict" as const, elements: keys.map((service) => element(service, this.#pick(verdicts))) },
      {
        name: "targets",
        key,
        value: ["ipv4_addr", "inet_service"] as const,
        elements: keys.map((service) => element(service, [mustAddress(this.#address()), this.#pick([80, 81, 82])])),
      },
    ];
    const prefixes = ["10.0.0.0/24", "10.0.2.0/23"].map((prefix) => ({ key: [prefix as MapElement["key"][number] & string] }));
    const sets = [
      { name: "services", key, elements: keys.map((service) => ({ key: service })) },
      { name: "nets", key: ["ipv4_addr"] as const, interval: true, elements: prefixes },
    ];
    return table("t", this.#chains(at, legs), { sets, maps });
  }

  #chains(at: number, legs: readonly Leg[]): Chain[] {
    const simple = (): Statement => this.#pick([accept, drop, goBack, this.#mark("meta"), this.#mark("ct"), this.#mark("meta")]);
    const chains: Chain[] = [chain("sub", ...this.#times(this.#below(3), () => rule(this.#matches(legs), simple())))];
    // All different: which of equal ones is first depends on when they were loaded.
    const priorities = [-300, -150, -90, 0, 50, 150];
    for (const hook of ["prerouting", "input", "forward", "output", "postrouting"] as const) {
      if (this.#chance(0.35)) {
        const type = hook === "output" && this.#chance(0.5) ? "route" : "filter";
        const rules = this.#times(1 + this.#below(3), () => this.#filterRule(hook, legs));
        chains.push(base(type, hook, priorities.splice(this.#below(priorities.length), 1)[0] ?? 0, rules, "accept", `f-${hook}`));
      }
      if (hook !== "forward" && this.#chance(0.5)) chains.push(this.#natChain(at, hook, legs));
    }
    return chains;
  }

  #filterRule(hook: Hook, legs: readonly Leg[]): Rule {
    const matches = this.#matches(legs);
    const statement = this.#verdict(hook);
    const isReset = statement.kind === "reject" && statement.with === "tcp reset";
    if (!isReset) return rule(matches, statement);
    return rule(
      [is("meta l4proto", "tcp"), ...matches.filter((match) => match.kind !== "value" || !/proto(col)?$/.test(match.field))],
      statement,
    );
  }

  #verdict(hook: Hook): Statement {
    const reject: Statement = {
      kind: "reject",
      with: this.#pick(["icmp port-unreachable", "icmp admin-prohibited", "tcp reset"] as const),
    };
    const mapped: Statement = { kind: "vmap", fields, map: "verdicts" };
    const marks = [this.#mark("meta"), this.#mark("ct"), this.#mark("meta"), this.#mark("ct")];
    // Only where nftables allows it.
    const refused = hook === "prerouting" || hook === "postrouting" ? drop : reject;
    return this.#pick([accept, accept, drop, goBack, jump("sub"), goto("sub"), refused, mapped, ...marks]);
  }

  #natChain(at: number, hook: Exclude<Hook, "forward">, legs: readonly Leg[]): Chain {
    const forDestination = hook === "prerouting" || hook === "output";
    const rules = this.#times(1 + this.#below(2), () => (forDestination ? this.#dnat(legs) : this.#snat(at, hook, legs)));
    return base("nat", hook, forDestination ? -100 : 100, rules, "accept", `n-${hook}`);
  }

  #dnat(legs: readonly Leg[]): Rule {
    if (this.#chance(0.5)) return rule(this.#chance(0.5) ? this.#matches(legs) : [], { kind: "dnat", to: { fields, map: "targets" } });
    const port = this.#pick([undefined, 80, 81]);
    const to = { address: mustAddress(this.#address()), ...(port === undefined ? {} : { port }) };
    return rule([is("ip daddr", mustAddress(this.#service())), is("meta l4proto", this.#protocol())], { kind: "dnat", to });
  }

  #snat(at: number, hook: "input" | "postrouting", legs: readonly Leg[]): Rule {
    const matches = this.#chance(0.5) ? this.#matches(legs) : [];
    const own = mustAddress(this.#owners.find((owner) => owner.host === at)?.address ?? "10.0.0.10");
    const ports = this.#pick([
      { first: 2000, last: 2999 },
      { first: 30_000, last: 50_000 },
    ]);
    switch (this.#below(3)) {
      case 0:
        return rule(matches, hook === "postrouting" ? masquerade : accept);
      case 1:
        return rule(matches, { kind: "snat", address: mustAddress(this.#address()) });
      default:
        return rule([...matches, is("meta l4proto", this.#protocol())], { kind: "snat", address: own, ports });
    }
  }

  #matches(legs: readonly Leg[]): Match[] {
    return this.#times(1 + this.#below(2), () => this.#match(legs));
  }

  #match(legs: readonly Leg[]): Match {
    const place = () => this.#pick(["10.0.0.0/24", "10.0.1.0/24", this.#address(), this.#address()]);
    const names = [...legs.map((leg) => leg.name), "lo"];
    const op = this.#chance(0.7) ? "==" : "!=";
    return this.#pick<() => Match>([
      () => is("ip saddr", place()),
      () => is("ip daddr", place()),
      () => is("th dport", this.#pick([80, 81, 82])),
      () => is("meta l4proto", this.#protocol()),
      () => isNot("iifname", this.#pick(names)),
      () => is("oifname", this.#pick(names)),
      () => is("ct state", ...this.#pick([["new"], ["established"], ["established", "related"], ["invalid"]])),
      () => is("fib daddr type", this.#pick(["local", "unicast"])),
      () => is("fib saddr type", this.#pick(["local", "unicast"])),
      () => is("meta mark", this.#below(4)),
      () => isNot("ct mark", this.#below(3)),
      () => is("ct direction", this.#pick(["original", "reply"])),
      () => is("ct status", this.#pick(["dnat", "snat"])),
      () => isNot("ct status", "dnat"),
      () => is("ct original ip daddr", mustAddress(this.#address())),
      () => is("ct original proto-dst", this.#pick([80, 81])),
      () => is("ct original ip saddr", mustAddress(this.#address())),
      () => is("ct original protocol", this.#protocol()),
      () => is("ct reply ip saddr", mustAddress(this.#address())),
      () => is("ct reply proto-src", this.#pick([80, 81, 82])),
      () => ({ kind: "lookup", fields, op, set: "services" }),
      () => ({ kind: "lookup", fields: ["ip saddr"], op, set: "nets" }),
      () => ({ kind: "value", field: "meta mark", op: "==", values: [0], mask: 2 }),
    ])();
  }

  #mark(target: "meta" | "ct"): Statement {
    const value = this.#pick<MarkValue>([
      { kind: "constant", value: this.#below(4) },
      { kind: "or", value: 1 + this.#below(3) },
      { kind: "copy", from: target === "ct" ? "meta" : "ct" },
      { kind: "hash", fields: ["ip saddr", "ip daddr", "th sport", "th dport", "meta l4proto"], modulus: 3, seed: 5, offset: 1 },
      { kind: "hash", fields: ["ip saddr", "meta l4proto"], modulus: 3, seed: 1, offset: 1 },
    ]);
    return { kind: "set-mark", target, value };
  }

  #service(): string {
    return this.#pick(["10.9.9.9", "10.9.0.1", this.#address(), this.#address()]);
  }

  #address(): string {
    return this.#owners.length === 0 ? "10.0.0.10" : this.#pick(this.#owners).address;
  }

  #protocol(): "tcp" | "udp" {
    return this.#chance(0.5) ? "tcp" : "udp";
  }

  #times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }

  #pick<T>(choices: readonly T[]): T {
    const choice = choices[this.#below(choices.length)];
    if (choice === undefined && choices.length === 0) throw new Error("nothing to pick from");
    return choice as T;
  }

  #chance(probability: number): boolean {
    return this.#next() < probability;
  }

  #below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  }
}

/** Union of names, to keep bridges from forming a circle. */
class Groups {
  readonly #parents = new Map<string, string>();

  find(name: string): string {
    const parent = this.#parents.get(name);
    return parent === undefined ? name : this.find(parent);
  }

  /** False when they were joined before. */
  join(a: string, b: string): boolean {
    const [x, y] = [this.find(a), this.find(b)];
    if (x === y) return false;
    this.#parents.set(x, y);
    return true;
  }
}
