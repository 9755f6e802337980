import { afterAll, expect, test } from "vitest";
import type { Network } from "../../src/ir/network.ts";
import type { Rule } from "../../src/ir/ruleset.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import { mustAddress } from "../../src/net/address.ts";
import { accept, base, drop, host, is, masquerade, networkOf, packet, rule, table, veth } from "../../src/trace/testing/network.ts";
import { Tracer } from "../../src/trace/tracer.ts";
import { probe } from "../../src/world/probe.ts";
import { enter, StandIns } from "../../src/world/stand-in.ts";

/**
 * TCP through a firewall that sees one direction only. There are two ways between client and server:
 *
 *     client 10.1.0.2 ─ 10.1.0.1 firewall 10.2.0.1 ─ 10.2.0.2 server
 *     client 10.1.1.2 ─ 10.1.1.1 router   10.2.1.1 ─ 10.2.1.2 server
 *
 * The client is always 10.1.0.2 and the server 10.2.0.2, whichever way a packet takes.
 */
type Way = "firewall" | "router";

const gateways = {
  client: { firewall: "10.1.0.1 dev fw", router: "10.1.1.1 dev rt" },
  server: { firewall: "10.2.0.1 dev fw", router: "10.2.1.1 dev rt" },
};

function network(there: Way, back: Way, rules: readonly Rule[], nat: readonly Rule[]): Network {
  return networkOf(
    host("client", {
      interfaces: [veth("fw", "firewall c", ["10.1.0.2/24"]), veth("rt", "router c", ["10.1.1.2/24"])],
      routes: [`default via ${gateways.client[there]} src 10.1.0.2`],
    }),
    host("server", {
      interfaces: [veth("fw", "firewall s", ["10.2.0.2/24"]), veth("rt", "router s", ["10.2.1.2/24"])],
      routes: [`default via ${gateways.server[back]} src 10.2.0.2`],
      listen: ["80/tcp", "10.2.0.2:53/udp"],
    }),
    host("firewall", {
      forwarding: true,
      interfaces: [veth("c", "client fw", ["10.1.0.1/24"]), veth("s", "server fw", ["10.2.0.1/24"])],
      tables: [table("firewall", [base("filter", "forward", 0, rules), base("nat", "postrouting", 100, nat)])],
    }),
    host("router", {
      forwarding: true,
      interfaces: [veth("c", "client rt", ["10.1.1.1/24"]), veth("s", "server rt", ["10.2.1.1/24"])],
      routes: ["10.1.0.2 via 10.1.1.2 dev c", "10.2.0.2 via 10.2.1.2 dev s"],
    }),
  );
}

const dropsInvalid = [rule([is("ct state", "invalid")], drop)];
const allowsKnown = [rule([is("ct state", "established", "related")], accept), rule([is("ct state", "new")], accept), rule([], drop)];

let port = 40_000;
const kernel = new Kernel();
const standIns = new StandIns(enter);
afterAll(() => {
  standIns.close();
  kernel.close();
});

type Case = {
  readonly name: string;
  readonly there: Way;
  readonly back: Way;
  readonly rules: readonly Rule[];
  readonly nat?: readonly Rule[];
  readonly send: string;
  readonly want: string;
};

test.each<Case>([
  { name: "both ways", there: "firewall", back: "firewall", rules: dropsInvalid, send: "tcp > 10.2.0.2:80", want: "delivered" },
  {
    name: "there only: the ACK is invalid",
    there: "firewall",
    back: "router",
    rules: dropsInvalid,
    send: "tcp > 10.2.0.2:80",
    want: "asymmetric ack",
  },
  {
    name: "there only: and no rule accepts it",
    there: "firewall",
    back: "router",
    rules: allowsKnown,
    send: "tcp > 10.2.0.2:80",
    want: "asymmetric ack",
  },
  { name: "there only, stateless", there: "firewall", back: "router", rules: [], send: "tcp > 10.2.0.2:80", want: "delivered" },
  {
    name: "back only: the SYN-ACK is invalid",
    there: "router",
    back: "firewall",
    rules: dropsInvalid,
    send: "tcp > 10.2.0.2:80",
    want: "asymmetric reply",
  },
  { name: "back only, stateless", there: "router", back: "firewall", rules: [], send: "tcp > 10.2.0.2:80", want: "delivered" },
  {
    name: "back only: what the server says is a new flow",
    there: "router",
    back: "firewall",
    rules: [rule([is("ct state", "new")], drop)],
    send: "tcp > 10.2.0.2:80",
    want: "asymmetric answer",
  },
  {
    name: "back only: what the server says is translated",
    there: "router",
    back: "firewall",
    rules: [],
    nat: [rule([], masquerade)],
    send: "tcp > 10.2.0.2:80",
    want: "asymmetric answer",
  },
  {
    name: "back only: the reset is invalid",
    there: "router",
    back: "firewall",
    rules: dropsInvalid,
    send: "tcp > 10.2.0.2:81",
    want: "refused, not told",
  },
  {
    name: "there only: the reset arrives",
    there: "firewall",
    back: "router",
    rules: dropsInvalid,
    send: "tcp > 10.2.0.2:81",
    want: "refused, told",
  },
  {
    name: "there only: datagrams know no difference",
    there: "firewall",
    back: "router",
    rules: dropsInvalid,
    send: "udp > 10.2.0.2:53",
    want: "delivered",
  },
  {
    name: "back only: datagrams know no difference",
    there: "router",
    back: "firewall",
    rules: dropsInvalid,
    send: "udp > 10.2.0.2:53",
    want: "delivered",
  },
  {
    name: "back only: an echo reply is invalid",
    there: "router",
    back: "firewall",
    rules: dropsInvalid,
    send: "icmp > 10.2.0.2",
    want: "asymmetric reply",
  },
])("$name ($send)", async ({ there, back, rules, nat = [], send, want }) => {
  const lab = network(there, back, rules, nat);
  expect(kernel.apply(lab).errors).toEqual([]);
  expect(standIns.set("server", lab.host("server")?.listeners ?? [])).toEqual([]);
  // The firewall remembers the connections of the cases before.
  const sent = { ...packet(send), sourcePort: port++ };
  const [path] = new Tracer(lab).trace("client", sent);
  if (path === undefined) throw new Error("no path");
  const told = path.news === undefined ? "" : path.news.heard ? ", told" : ", not told";
  const lost = path.acknowledgement !== undefined ? " ack" : path.answer !== undefined ? " answer" : " reply";
  const part = path.outcome === "asymmetric" ? lost : told;
  expect(`${path.outcome}${part}`).toBe(want);
  if (path.outcome === "asymmetric") {
    // A translated answer is none to the client.
    const [host, element] = nat.length === 0 ? ["firewall", "chain firewall filter-forward"] : ["client", "socket"];
    expect(path.decidedBy).toMatchObject({ host, element });
    expect(path.parted).toEqual({ host: "server", there, back });
  }
  const expected = expectationOf(lab, path, 700);
  const observed = await probe(enter, { from: "client", packet: { ...sent, source: mustAddress("0.0.0.0") }, timeoutMs: 700 });
  expect(agrees(observed, [expected]), `${expectationText(expected)}; ${observationText(observed)}`).toBe(true);
});
