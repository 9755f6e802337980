import type { Socket } from "node:net";
import { createServer, Socket as TcpSocket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { tcpConnect, tcpListen } from "../../src/kernel/sockets.ts";
import type { NetworkPolicy } from "../../src/kube/objects.ts";
import { withPolicies } from "../../src/lab/reachability.ts";
import { type Address, mustAddress } from "../../src/net/address.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";

/** What a table of who reaches whom does not show: connections that are there already, nodes, pods themselves, Services, and errors. */
const object = (kind: string, metadata: object, spec: object, apiVersion = "v1") => ({ apiVersion, kind, metadata, spec });
const workload = (name: string, replicas: number) =>
  object(
    "Deployment",
    { name },
    {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [
            {
              name: "c",
              image: "i",
              ports: [
                { name: "http", containerPort: 80 },
                { containerPort: 53, protocol: "UDP" },
              ],
            },
          ],
        },
      },
    },
    "apps/v1",
  );
const objects = [
  workload("server", 1),
  workload("client", 3),
  object(
    "Service",
    { name: "server" },
    { selector: { app: "server" }, clusterIP: "172.20.0.20", ports: [{ port: 8000, targetPort: "http" }] },
  ),
];
const lab = {
  lab: `lab: connections
networks: [{ name: v, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }] }]
clusters: [{ name: c, networkPlugin: azure, networkPolicy: calico, subnet: v/n, serviceCidr: 172.20.0.0/24, dnsServiceIP: 172.20.0.10, pools: [{ name: p, count: 2, maxPods: 30 }], manifests: [m.yaml] }]
`,
  manifests: { "m.yaml": objects.map((each) => JSON.stringify(each)).join("\n---\n") },
};

const policy = (name: string, app: string, spec: Partial<NetworkPolicy["spec"]>): NetworkPolicy => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace: "default" },
  spec: { podSelector: { matchLabels: { app } }, ...spec },
});

const kernel = new Kernel();
let running: RunningLab;
beforeAll(() => {
  running = new RunningLab(openText(lab), kernel);
});
afterAll(() => running.close());

function apply(...policies: readonly NetworkPolicy[]): void {
  expect(kernel.apply(withPolicies(running.view, "c", policies).network).errors).toEqual([]);
}

const podsOf = (app: string) => running.view.endpoints.filter(({ pod }) => pod?.metadata.labels?.app === app);
const only = <T>([first]: readonly T[]): T => {
  if (first === undefined) throw new Error("there is none");
  return first;
};
const ask = async (host: string, destination: Address, destinationPort: number, protocol: "tcp" | "udp" = "tcp") =>
  (await running.send({ host, packet: { protocol, destination, destinationPort } }, 500)).outcome;

describe("a changed policy", () => {
  test("ends an established connection that it no longer allows, both ways, and lets it go on when it allows it again", async () => {
    apply();
    const server = only(podsOf("server"));
    const client = only(podsOf("client").filter(({ node }) => node !== server.node));
    const accepted = new Promise<Socket>((resolve) => {
      const listener = createServer((socket) => {
        listener.close();
        resolve(socket);
      }).listen({ fd: tcpListen(server.host, { port: 7777 }) });
    });
    const near = new TcpSocket({
      fd: tcpConnect(client.host, { destination: server.address, port: 7777 }),
      readable: true,
      writable: true,
    });
    const far = await accepted;
    const heard = { near: "", far: "" };
    near.on("data", (data) => {
      heard.near += data.toString();
    });
    far.on("data", (data) => {
      heard.far += data.toString();
    });
    const say = async (text: string) => {
      near.write(text);
      far.write(text);
      await new Promise((resolve) => setTimeout(resolve, 300));
    };
    const hears = async (text: string) => {
      for (let tries = 0; tries < 100 && (heard.near !== text || heard.far !== text); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return { ...heard };
    };
    try {
      await say("a");
      expect(await hears("a")).toEqual({ near: "a", far: "a" });
      apply(policy("closed", "server", { policyTypes: ["Ingress"] }));
      await say("b");
      expect(heard).toEqual({ near: "a", far: "a" });
      apply();
      expect(await hears("ab")).toEqual({ near: "ab", far: "ab" });
      apply(policy("mute", "client", { policyTypes: ["Egress"] }));
      await say("c");
      expect(heard).toEqual({ near: "ab", far: "ab" });
      apply(policy("mute", "client", { policyTypes: ["Egress"], egress: [{ ports: [{ port: 7777 }] }] }));
      expect(await hears("abc")).toEqual({ near: "abc", far: "abc" });
    } finally {
      near.destroy();
      far.destroy();
    }
  });
});

test("a node reaches its own pods whatever the policies say, and no others", async () => {
  apply(policy("closed", "server", { policyTypes: ["Ingress", "Egress"] }));
  const server = only(podsOf("server"));
  const nodes = running.view.endpoints.filter(({ kind }) => kind === "node");
  const outcomes = await Promise.all(nodes.map(async ({ host, name }) => [name === server.node, await ask(host, server.address, 80)]));
  expect(outcomes.sort()).toEqual([
    [false, "timeout"],
    [true, "answered"],
  ]);
});

test("a pod reaches its own node and, by a Service, itself", async () => {
  apply(policy("closed", "server", { policyTypes: ["Ingress", "Egress"] }));
  const server = only(podsOf("server"));
  const node = only(running.view.endpoints.filter(({ kind, name }) => kind === "node" && name === server.node));
  expect(await ask(server.host, node.address, 10256)).toBe("answered");
  expect(await ask(server.host, mustAddress("172.20.0.20"), 8000)).toBe("answered");
});

test("a Service is judged after its translation", async () => {
  const clients = podsOf("client");
  const service = mustAddress("172.20.0.20");
  const egress = (rule: NonNullable<NetworkPolicy["spec"]["egress"]>[number]) =>
    apply(policy("out", "client", { policyTypes: ["Egress"], egress: [rule] }));
  const all = () => Promise.all(clients.map(({ host }) => ask(host, service, 8000)));
  egress({ to: [{ ipBlock: { cidr: "172.20.0.0/24" } }] });
  expect(await all()).toEqual(clients.map(() => "timeout"));
  egress({ ports: [{ port: 8000 }] });
  expect(await all()).toEqual(clients.map(() => "timeout"));
  egress({ to: [{ podSelector: { matchLabels: { app: "server" } } }], ports: [{ port: "http" }] });
  expect(await all()).toEqual(clients.map(() => "answered"));
});

test("errors about an allowed flow come back, though its rule is for one protocol", async () => {
  const server = only(podsOf("server"));
  const client = only(podsOf("client"));
  apply(
    policy("in", "server", { ingress: [{ ports: [{ port: 5000, protocol: "UDP" }] }] }),
    policy("out", "client", { policyTypes: ["Egress"], egress: [{ ports: [{ protocol: "UDP" }] }] }),
  );
  // Nobody listens there: the receiver answers with an ICMP error.
  expect(await ask(client.host, server.address, 5000, "udp")).toBe("refused");
  expect(await ask(client.host, server.address, 5001, "udp")).toBe("timeout");
});

test("SCTP has rules of its own", () => {
  const server = only(podsOf("server"));
  const client = only(podsOf("client"));
  const view = withPolicies(running.view, "c", [policy("in", "server", { ingress: [{ ports: [{ port: 7000, protocol: "SCTP" }] }] })]);
  expect(kernel.apply(view.network).errors).toEqual([]);
  const trace = (protocol: "sctp" | "tcp", destinationPort: number) =>
    view.tracer.trace(client.host, { protocol, destination: server.address, destinationPort }).map(({ outcome }) => outcome);
  expect([trace("sctp", 7000), trace("sctp", 7001), trace("tcp", 7000)]).toEqual([["refused"], ["dropped"], ["dropped"]]);
});
