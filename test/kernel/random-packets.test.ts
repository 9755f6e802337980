import { afterAll, expect, test } from "vitest";
import { type Host, type Interface, mainTable } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, type Expectation, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import { mustAddress } from "../../src/net/address.ts";
import { prefixOf } from "../../src/net/prefix.ts";
import type { Path } from "../../src/trace/index.ts";
import { networkOf } from "../../src/trace/testing/network.ts";
import { randomNetwork } from "../../src/trace/testing/random-network.ts";
import { type TracePacket, Tracer } from "../../src/trace/tracer.ts";
import { probe } from "../../src/world/probe.ts";
import { enter, StandIns } from "../../src/world/stand-in.ts";

/**
 * The tracer's word against the kernel's on networks that no compiler would make: unreachable routes, rejections, translations and policy rules in
 * any combination. What the sender is told is part of the answer. More: DRYDOCK_SEED=1000 DRYDOCK_SEEDS=40 npm run test:kernel -- random-packets.
 */
const count = Number(process.env.DRYDOCK_SEEDS ?? 12);
const first = Number(process.env.DRYDOCK_SEED ?? 1);
/** So many networks at a time: more of them keep this one process too busy to listen. */
const together = 6;
const batches = Array.from({ length: Math.ceil(count / together) }, (_, batch) =>
  Array.from({ length: Math.min(together, count - batch * together) }, (_, at) => first + batch * together + at),
);

/** Longer than Linux asks for a neighbour that nobody is. */
const waitMs = 4500;

const kernel = new Kernel();
const standIns = new StandIns(enter);
afterAll(() => {
  standIns.close();
  kernel.close();
});

/** Several networks side by side, each with names of its own. */
function side(prefix: string, hosts: readonly Host[]): readonly Host[] {
  const link = (one: Interface): Interface => (one.kind === "veth" ? { ...one, peer: { ...one.peer, host: prefix + one.peer.host } } : one);
  return hosts.map((host) => ({
    ...host,
    name: prefix + host.name,
    interfaces: host.interfaces.map(link),
    // A program that receives datagrams for any address answers from the one that Linux chooses: so these receive for one address each.
    listeners: host.listeners.flatMap((one) =>
      one.protocol === "tcp" ? [one] : host.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => ({ ...one, address }))),
    ),
  }));
}

/** Networks in which the order of things decides, which no description of a network tells. */
function isOrdered(hosts: readonly Host[]): boolean {
  return hosts.every(({ routes, interfaces }) => {
    const connected = interfaces.flatMap(({ addresses }) =>
      addresses.map(({ address, prefixLength }) => `${prefixOf(address, prefixLength)} ${mainTable}`),
    );
    const prefixes = [...new Set(connected), ...routes.map(({ dst, table }) => `${dst} ${table}`)];
    // Of two routes for one prefix, the one that came first.
    return connected.length === new Set(connected).size && prefixes.length === new Set(prefixes).size;
  });
}

/**
 * Nobody answers for the next hop, but somebody has it: the kernel learns of it when that one asks for something, even though it does not answer
 * (net/ipv4/arp.c: arp_process).
 */
function isLearned(hosts: readonly Host[], path: Path): boolean {
  const ways = [path, path.return, path.news?.way].flatMap((way) => way?.hops.at(-1)?.steps.at(-1)?.what ?? []);
  const unanswered = ways.flatMap((what) => /^nobody on .* answers for (.*)$/.exec(what)?.[1] ?? []);
  return hosts.some(({ interfaces }) => interfaces.some(({ addresses }) => addresses.some(({ address }) => unanswered.includes(address))));
}

/** Which of its addresses a host masquerades with towards itself follows from when its interfaces were made. */
function isMasked({ hops }: Path): boolean {
  return hops.length === 1 && hops[0]?.steps.some(({ kind }) => kind === "source-nat") === true;
}

type Asked = { readonly from: string; readonly packet: TracePacket; readonly expected: readonly Expectation[] };

test.each(batches)(
  "the kernel does what the tracer says on the networks of seeds %i …",
  async (...seeds) => {
    const made = seeds.map((seed) => {
      const { hosts, packets } = randomNetwork(seed);
      return { hosts: side(`${seed}/`, hosts), packets: packets.map(({ from, packet }) => ({ from: `${seed}/${from}`, packet })) };
    });
    const network = networkOf(...made.flatMap(({ hosts }) => hosts));
    // A route by way of the host itself is all that the kernel refuses.
    const { errors } = kernel.apply(network);
    for (const { message } of errors) expect(message).toContain("Nexthop has invalid gateway");
    const refused = new Set(errors.map(({ host }) => host));
    for (const name of network.names()) expect(standIns.set(name, network.host(name)?.listeners ?? [])).toEqual([]);
    const asked = made.flatMap(({ hosts, packets }): Asked[] => {
      const tracer = new Tracer(network);
      const predicted = packets.map(({ from, packet }) => {
        const expected = tracer.trace(from, packet).map((path) => expectationOf(network, path, waitMs));
        return { from, packet, expected };
      });
      // Where two hosts answer for one next hop, either may be first.
      const known = predicted.filter(({ expected }) => !expected.some(({ path }) => isLearned(hosts, path) || isMasked(path)));
      return tracer.ambiguities.length > 0 || !isOrdered(hosts) || hosts.some(({ name }) => refused.has(name)) ? [] : known;
    });
    const answers = await Promise.all(
      asked.map(async ({ from, packet, expected }) => {
        const source = packet.source ?? mustAddress("0.0.0.0");
        const observed = await probe(enter, { from, packet: { ...packet, source }, timeoutMs: waitMs });
        if (agrees(observed, expected)) return [];
        const { protocol, destination, destinationPort, sourcePort } = packet;
        return [
          `${from}: ${protocol} from ${sourcePort} to ${destination}:${destinationPort}: predicted ${expected.map(expectationText).join(" | ")}; observed ${observationText(observed)} ${observed.problem ?? ""}`,
        ];
      }),
    );
    expect(answers.flat(), `of ${asked.length} packets`).toEqual([]);
  },
  30_000,
);
