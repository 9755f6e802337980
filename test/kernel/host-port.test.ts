/** Host ports with real packets: what the pod sees of whom, per network option. The expectations are portmap's rules, read by hand. */

import { afterAll, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import { packet } from "../../src/trace/testing/network.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const kernel = new Kernel();
afterAll(() => kernel.close());

/** `web` is on one node of two, with a host port; `other` is beside it, `away` on the other node. Addresses go to pods in order of their names. */
const pod = (name: string, node: number, ports: string, labels = "") =>
  `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name}${labels} }\nspec: { nodeName: NODE${node}, containers: [{ name: main, image: any, ports: [${ports}] }] }\n`;
const manifest = [
  pod("web", 0, "{ containerPort: 80, hostPort: 8080 }, { containerPort: 53, protocol: UDP, hostPort: 5300 }", ", labels: { app: web }"),
  pod("other", 0, "{ containerPort: 80 }"),
  pod("away", 1, "{ containerPort: 80 }"),
  "apiVersion: v1\nkind: Service\nmetadata: { name: clash }\nspec: { type: NodePort, selector: { app: none }, ports: [{ port: 80, nodePort: 30080 }] }\n",
].join("---\n");

const ptp = '"type": "ptp"';
const conflist = (snat: string, behind = `, { "type": "portmap", "capabilities": { "portMappings": true }${snat} }`, main = ptp) =>
  `---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: cni-config, namespace: kube-system }\ndata:\n  10-own.conflist: '{ "cniVersion": "1.0.0", "name": "own", "plugins": [{ ${main}, "ipMasq": true, "ipam": { "type": "host-local", "ranges": [[{ "subnet": "usePodCidr" }]], "routes": [{ "dst": "0.0.0.0/0" }] } }${behind}] }'\n`;

function labOf(option: string, more = "") {
  const text = (names: readonly string[]) => ({
    lab: `lab: host-port
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: nodes, prefix: 10.240.0.0/24 }, { name: data, prefix: 10.240.4.0/24 }, { name: pods, prefix: 10.240.5.0/24 }]
machines: [{ name: near, subnet: hub/nodes, listen: [22/tcp] }, { name: far, subnet: hub/data, listen: [22/tcp] }]
clusters:
  - { name: k, ${option}, subnet: hub/nodes, serviceCidr: 10.1.0.0/16, dnsServiceIP: 10.1.0.10, pools: [{ name: np1, count: 2, maxPods: 30 }], manifests: [m.yaml] }
`,
    manifests: { "m.yaml": `${manifest.replace(/NODE(\d)/g, (_, index: string) => names[Number(index)] ?? "nobody")}${more}` },
  });
  const names = [...(openText(text([])).topology.clusters.get("k")?.nodes.keys() ?? [])];
  return { view: openText(text(names)), names };
}

type Seen = Readonly<Record<string, string>>;

/** Who the pod says it saw, for each sender; tracer and kernel agree on each. */
async function seenBy(option: string, more = ""): Promise<Seen> {
  const { view, names } = labOf(option, more);
  const lab = new RunningLab(view, kernel);
  const node = view.endpoints.find((endpoint) => endpoint.name === names[0])?.address ?? "";
  const seen: Record<string, string> = {};
  // All different, so that no flow meets another one's translation.
  let port = 40_000;
  const senders = {
    near: "vm/near",
    far: "vm/far",
    itself: "/web",
    beside: "/other",
    away: "/away",
    node: names[0] ?? "",
    second: names[1] ?? "",
  };
  for (const [who, suffix] of Object.entries(senders)) {
    const from = view.endpoints.find(({ label, kind }) => label.endsWith(suffix) && (kind !== "node" || label.includes("node/")));
    if (from === undefined) throw new Error(`no ${suffix}`);
    for (const protocol of ["tcp", "udp"] as const) {
      const sent = { ...packet(`${protocol} > ${node}:${protocol === "tcp" ? 8080 : 5300}`), sourcePort: port++ };
      const [path] = view.tracer.trace(from.host, sent);
      if (path === undefined) throw new Error("no path");
      const expected = expectationOf(view.network, path, 700);
      const observed = await lab.send({ host: from.host, packet: sent }, 700);
      expect(agrees(observed, [expected]), `${who}: ${expectationText(expected)}; ${observationText(observed)}`).toBe(true);
      const text = path.outcome === "delivered" ? `${path.received?.source}` : path.outcome;
      if (protocol === "udp") expect(text, `${who}: UDP as TCP`).toBe(seen[who]);
      seen[who] = text;
    }
  }
  expect((await lab.disagreements(1)).found).toEqual([]);
  lab.close();
  return seen;
}

/** In the nodes' subnet `near` is 10.240.0.4, the pod's node 10.240.0.5, and the other 10.240.0.6 unless pods have that. */
test("kubenet: pods of the node's own prefix are masqueraded to the bridge's address, others keep what they come with", async () => {
  expect(await seenBy("networkPlugin: kubenet, podCidr: 10.244.0.0/16")).toEqual({
    near: "10.240.0.4",
    far: "10.240.4.4",
    itself: "10.244.0.1",
    beside: "10.244.0.1",
    away: "10.240.0.6",
    node: "10.240.0.5",
    second: "10.240.0.6",
  });
});

test("Azure CNI on the node's subnet: whoever is in that subnet is masqueraded to the node, a machine too", async () => {
  for (const mode of ["transparent", "bridge"]) {
    expect(await seenBy(`networkPlugin: azure, networkMode: ${mode}`)).toEqual({
      near: "10.240.0.5",
      far: "10.240.4.4",
      itself: "10.240.0.5",
      beside: "10.240.0.5",
      away: "10.240.0.5",
      node: "10.240.0.5",
      second: "10.240.0.5",
    });
  }
});

test("Overlay: pods beside it are masqueraded; those of other nodes have been already, on their way out", async () => {
  expect(await seenBy("networkPlugin: azure, networkPluginMode: overlay, podCidr: 10.244.0.0/16")).toEqual({
    near: "10.240.0.4",
    far: "10.240.4.4",
    itself: "10.240.0.5",
    beside: "10.240.0.5",
    away: "10.240.0.6",
    node: "10.240.0.5",
    second: "10.240.0.6",
  });
});

test("pod subnet: the prefix is the pods', so machines and other nodes keep their addresses", async () => {
  expect(await seenBy("networkPlugin: azure, podSubnet: hub/pods")).toEqual({
    near: "10.240.0.4",
    far: "10.240.4.4",
    itself: "10.240.0.5",
    beside: "10.240.0.5",
    away: "10.240.0.5",
    node: "10.240.0.5",
    second: "10.240.0.6",
  });
});

test("Cilium keeps every source but that of a pod that asks itself", async () => {
  const cilium =
    "networkPlugin: azure, networkPluginMode: overlay, networkDataplane: cilium, networkPolicy: cilium, podCidr: 10.244.0.0/16";
  expect(await seenBy(cilium)).toMatchObject({ near: "10.240.0.4", itself: "10.240.0.5", beside: "10.244.0.0", away: "10.240.0.6" });
});

test("a plugin of one's own: as its configuration says, and nobody without portmap", async () => {
  const option = "networkPlugin: none, podCidr: 10.244.0.0/16";
  expect(await seenBy(option, conflist(""))).toMatchObject({
    near: "10.240.0.4",
    itself: "10.244.0.1",
    beside: "10.244.0.1",
    away: "10.240.0.6",
  });
  expect(await seenBy(option, conflist(', "snat": false'))).toMatchObject({ itself: "10.244.0.1", beside: "10.244.0.2" });
  const bridge = '"type": "bridge", "isGateway": true';
  expect(await seenBy(option, conflist("", undefined, bridge))).toMatchObject({ itself: "dropped", beside: "10.244.0.1" });
  expect(await seenBy(option, conflist("", undefined, `${bridge}, "promiscMode": true`))).toMatchObject({ itself: "10.244.0.1" });
  expect(Object.values(await seenBy(option, conflist("", "")))).toEqual(Array.from({ length: 7 }, () => "refused"));
});
