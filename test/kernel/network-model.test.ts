import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { HostName } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { openLab } from "../../src/lab/index.ts";
import type { LabView } from "../../src/lab/view.ts";
import { type Address, mustAddress } from "../../src/net/address.ts";
import { RunningLab } from "../labs/running-lab.ts";

/**
 * What the lesson says, once about the model and once about the kernel: one suite, two implementations of "send a packet and say what the receiver
 * saw". On examples/two-options, with Azure CNI in both of its modes.
 */
const folder = join(import.meta.dirname, "../../examples/two-options");

function openExample(networkMode: "transparent" | "bridge"): LabView {
  const text = readFileSync(join(folder, "lab.yaml"), "utf8").replace(
    "networkPlugin: azure",
    `networkPlugin: azure\n    networkMode: ${networkMode}`,
  );
  const { view, problems } = openLab([{ path: "lab.yaml", text }], (path) => ({ path, text: readFileSync(join(folder, path), "utf8") }));
  if (view === undefined) throw new Error(JSON.stringify(problems));
  return view;
}

/** Reached: who answered and the source that it saw. */
type Seen = { readonly by: HostName; readonly source: Address } | "not reached";
type Send = (from: HostName, to: Address, port: number) => Promise<Seen>;

const kernel = new Kernel();
let running: RunningLab | undefined;
afterAll(() => running?.close());

function bySending(view: LabView): Send {
  // One world holds one lab at a time.
  running?.close();
  const lab = new RunningLab(view, kernel);
  running = lab;
  return async (host, destination, destinationPort) => {
    const result = await lab.send({ host, packet: { protocol: "tcp", destination, destinationPort } });
    return result.reachable && result.source !== undefined
      ? { by: result.receiver ?? "", source: mustAddress(result.source.address) }
      : "not reached";
  };
}

/** When chance decides, the first of the ways. */
function byTracing(view: LabView): Send {
  return async (from, destination, destinationPort) => {
    const [path] = view.tracer.trace(from, { protocol: "tcp", destination, destinationPort });
    return path?.outcome === "delivered" && path.received !== undefined
      ? { by: path.received.host, source: path.received.source }
      : "not reached";
  };
}

describe.each([
  ["model", "transparent", byTracing],
  ["model", "bridge", byTracing],
  ["kernel", "transparent", bySending],
  ["kernel", "bridge", bySending],
] as const)("%s, Azure CNI in %s mode", (_what, mode, sender) => {
  const view = openExample(mode);
  let sending: Send | undefined;
  const send: Send = (...packet) => {
    sending ??= sender(view);
    return sending(...packet);
  };

  describe.each(["shop-kubenet", "shop-azure"])("%s", (name) => {
    const cluster = view.topology.clusters.get(name);
    if (cluster === undefined) throw new Error(`the example has no cluster ${name}`);
    const isKubenet = name === "shop-kubenet";
    const nodes = [...cluster.nodes.values()];
    const podsOf = (node: string) => (cluster.podsByNode.get(node) ?? []).filter(({ pod }) => pod.metadata.name.startsWith("web-"));
    const [first, second] = nodes;
    if (first === undefined || second === undefined) throw new Error("the example has fewer than two nodes");
    const [pod, sibling] = podsOf(first.node.metadata.name);
    const [stranger] = podsOf(second.node.metadata.name);
    if (pod === undefined || sibling === undefined || stranger === undefined) throw new Error("the example has too few web pods");
    const port = pod.pod.spec.containers[0]?.ports?.[0]?.containerPort ?? 80;
    const db = mustAddress("10.240.4.4");
    const service = (type: string, policy?: string) => {
      const found = cluster.services.find(
        (candidate) =>
          candidate.spec.type === type &&
          candidate.spec.selector !== undefined &&
          candidate.metadata.annotations?.["service.beta.kubernetes.io/azure-load-balancer-internal"] === undefined &&
          (policy === undefined || (candidate.spec.externalTrafficPolicy ?? "Cluster") === policy) &&
          candidate.spec.ports?.[0]?.protocol !== "UDP",
      );
      if (found === undefined) throw new Error(`the example has no Service of type ${type} ${policy ?? ""}`);
      return {
        ingress: found.status?.loadBalancer?.ingress?.[0]?.ip,
        clusterIp: found.spec.clusterIP,
        port: found.spec.ports?.[0]?.port ?? 80,
      };
    };

    // The five rules of the Kubernetes network model.
    test("every pod has an IP address of its own", () => {
      const addresses = [...view.topology.clusters.values()].flatMap((each) =>
        [...each.podsByNode.values()].flat().map((each) => `${each.address}`),
      );
      expect(new Set(addresses).size).toBe(addresses.length);
    });

    test("pods on a node communicate with all pods on all nodes without NAT", async () => {
      expect(await send(pod.host, sibling.address, port)).toEqual({ by: sibling.host, source: pod.address });
      expect(await send(pod.host, stranger.address, port)).toEqual({ by: stranger.host, source: pod.address });
      expect(await send(stranger.host, pod.address, port)).toEqual({ by: pod.host, source: stranger.address });
    });

    test("agents on a node communicate with all pods on that node", async () => {
      expect(await send(first.host, pod.address, port)).toMatchObject({ by: pod.host });
      expect(await send(first.host, sibling.address, port)).toMatchObject({ by: sibling.host });
    });

    test("a Service has a stable address that leads to one of its pods", async () => {
      const { clusterIp, port: servicePort } = service("ClusterIP");
      const seen = await send(pod.host, mustAddress(clusterIp ?? ""), servicePort);
      expect(seen).toMatchObject({ by: expect.stringMatching(`^pod/${name}/`) });
    });

    test("a pod sees itself by the address that others see", async () => {
      const own = view.network.host(pod.host)?.interfaces.flatMap((each) => each.addresses.map(({ address }) => address));
      expect(own).toContain(pod.address);
    });

    // The journeys beyond the cluster.
    test(isKubenet ? "a VM sees the node's address" : "a VM sees the pod's own address", async () => {
      expect(await send(pod.host, db, 5432)).toEqual({ by: "vm/db", source: isKubenet ? first.nic.primary : pod.address });
    });

    test(isKubenet ? "a VM of another subnet does not reach a pod" : "a VM reaches a pod, which sees the VM", async () => {
      expect(await send("vm/db", pod.address, port)).toEqual(isKubenet ? "not reached" : { by: pod.host, source: db });
    });

    test("on-premises sees the node's address", async () => {
      expect(await send(pod.host, mustAddress("192.168.10.5"), 443)).toEqual({ by: "site/hq/erp", source: first.nic.primary });
    });

    test(isKubenet ? "on-premises does not reach a pod" : "on-premises reaches a pod, which sees it", async () => {
      expect(await send("site/hq/erp", pod.address, port)).toEqual(isKubenet ? "not reached" : { by: pod.host, source: "192.168.10.5" });
    });

    test("the Internet sees the load balancer's first outbound address", async () => {
      const seen = await send(pod.host, mustAddress("203.0.113.10"), 443);
      const balancer = cluster.vnet.loadBalancers.find((each) => each.name === "kubernetes" && each.id.includes(`_${name}_`));
      const outbound = balancer?.properties.outboundRules[0]?.properties.frontendIPConfigurations[0]?.id ?? "";
      const frontend = balancer?.properties.frontendIPConfigurations.find((each) => outbound.endsWith(`/${each.name}`));
      const address = view.topology.publicAddresses.get((frontend?.properties.publicIPAddress?.id ?? "").toLowerCase());
      expect(seen).toEqual({ by: "internet/partner", source: address?.properties.ipAddress });
    });

    test("external traffic policy Cluster: a pod sees the node that received the packet", async () => {
      const { ingress, port: servicePort } = service("LoadBalancer", "Cluster");
      const seen = await send("internet/partner", mustAddress(ingress ?? ""), servicePort);
      const ofNodes = nodes.flatMap((node) => [
        node.nic.primary,
        ...(node.podCidr === undefined ? [] : [node.podCidr.replace(/0\/24$/, "1")]),
      ]);
      expect(seen === "not reached" ? seen : ofNodes.includes(seen.source)).toBe(true);
    });

    test("external traffic policy Local: a pod sees the client", async () => {
      const { ingress, port: servicePort } = service("LoadBalancer", "Local");
      expect(await send("internet/partner", mustAddress(ingress ?? ""), servicePort)).toMatchObject({ source: "203.0.113.10" });
    });
  });
});
