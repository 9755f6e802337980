/**
 * Who sees whom, with each network option: the table of docs/options.md, cell by cell, in the tracer and in the kernel. AKS docs:
 * concepts-network-cni-overview, concepts-network-legacy-cni (FAQ), concepts-network-azure-cni-overlay, concepts-network-azure-cni-pod-subnet.
 */

import { describe, expect, test } from "vitest";
import type { Listener, Network } from "../../src/ir/network.ts";
import { Kernel } from "../../src/kernel/index.ts";
import { type Observation, type Question, questionsFor } from "../../src/lab/check.ts";
import { LabView } from "../../src/lab/view.ts";
import { type Address, mustAddress } from "../../src/net/address.ts";
import { openText, predict, RunningLab } from "../labs/running-lab.ts";

const options = {
  kubenet: "networkPlugin: kubenet, podCidr: 10.244.0.0/16",
  "node subnet": "networkPlugin: azure",
  overlay: "networkPlugin: azure, networkPluginMode: overlay, podCidr: 10.244.0.0/16",
  "pod subnet": "networkPlugin: azure, podSubnet: hub/pods",
} as const;
type Option = keyof typeof options;

const lab = (option: Option) => `lab: matrix
networks:
  - name: hub
    addressSpace: [10.1.0.0/16]
    subnets: [{ name: nodes, prefix: 10.1.0.0/24 }, { name: pods, prefix: 10.1.1.0/24 }, { name: data, prefix: 10.1.2.0/24 }]
    peerings: [{ network: spoke }]
  - name: spoke
    addressSpace: [10.2.0.0/16]
    subnets: [{ name: data, prefix: 10.2.0.0/24 }]
    peerings: [{ network: hub }]
machines: [{ name: vm, subnet: hub/data, listen: [80/tcp] }, { name: peered, subnet: spoke/data, listen: [80/tcp] }]
sites: [{ name: hq, network: hub, prefixes: [192.168.0.0/24], machines: [{ name: erp, address: 192.168.0.5, listen: [80/tcp] }] }]
internet: [{ name: www, address: 203.0.113.10, listen: [80/tcp] }]
clusters:
  - { name: c, ${options[option]}, subnet: hub/nodes, pools: [{ name: one, count: 1, maxPods: 30 }, { name: two, count: 1, maxPods: 30 }], manifests: [m.yaml] }
`;

const pod = (name: string, pool: string, app: string, more = "") => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${app} } }
spec: { nodeSelector: { agentpool: ${pool} }, ${more}containers: [{ name: main, image: any, ports: [{ containerPort: ${app === "host" ? 8080 : 80} }] }] }
`;
const service = (name: string, app: string, more = "") => `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${app} }, ports: [{ port: 80 }]${more} }
`;
const manifest = [
  pod("here", "one", "here"),
  pod("beside", "one", "beside"),
  pod("there", "two", "there"),
  pod("host", "one", "host", "hostNetwork: true, "),
  service("there", "there"),
  service("myself", "here"),
  service("cluster", "there", ", type: LoadBalancer"),
  service("local", "there", ", type: LoadBalancer, externalTrafficPolicy: Local"),
].join("---\n");

/** The network, with Azure's DNS answering at its own address. */
function withDns(view: LabView): LabView {
  const origin = { resource: "test", reason: "Azure's DNS" };
  const dns: Listener = {
    address: mustAddress("168.63.129.16"),
    protocol: "udp",
    port: 53,
    answer: { kind: "identity", as: "dns" },
    origin,
  };
  const network: Network = {
    names: () => view.network.names(),
    host: (name) => {
      const host = view.network.host(name);
      return host !== undefined && name === "vnet/hub" ? { ...host, listeners: [...host.listeners, dns] } : host;
    },
  };
  return new LabView(view.name, view.resources, network);
}

/** Who has an address, in the words of the table. */
function words(view: LabView, client: Address): (address: string) => string {
  const named = new Map<string, string>();
  for (const { kind, address } of view.endpoints) if (kind === "node") named.set(address, "node");
  for (const { kind, pod: own, address } of view.endpoints) if (kind === "pod" && own?.spec.hostNetwork !== true) named.set(address, "pod");
  for (const host of view.network.names()) {
    if (!host.startsWith("node/")) continue;
    for (const one of view.network.host(host)?.interfaces ?? []) {
      if (one.kind === "bridge") for (const { address } of one.addresses) if (!named.has(address)) named.set(address, "bridge");
    }
  }
  named.set(client, "client");
  return (address) => named.get(address) ?? (address.startsWith("198.18.") ? "egress" : address);
}

type Row = {
  readonly flow: string;
  readonly from: string;
  readonly to: string;
  readonly is: Readonly<Record<Option, string>>;
};

const all = (what: string) => ({ kubenet: what, "node subnet": what, overlay: what, "pod subnet": what });
const nothing = "nothing arrives";

/** A pod says `pod` of itself when it is the client. */
const rows: readonly Row[] = [
  { flow: "pod to pod, same node", from: "pod/here", to: "pod/beside", is: all("client") },
  { flow: "pod to pod, other node", from: "pod/here", to: "pod/there", is: all("client") },
  { flow: "pod to ClusterIP", from: "pod/here", to: "svc/there", is: all("client") },
  { flow: "pod to ClusterIP, back to itself", from: "pod/here", to: "svc/myself", is: { ...all("node"), kubenet: "bridge" } },
  { flow: "pod to VM, same VNet", from: "pod/here", to: "vm/vm", is: { ...all("node"), "node subnet": "client", "pod subnet": "client" } },
  { flow: "pod to VM, peered VNet", from: "pod/here", to: "vm/peered", is: { ...all("node"), "pod subnet": "client" } },
  { flow: "pod to on-premises", from: "pod/here", to: "site/hq/erp", is: { ...all("node"), "pod subnet": "client" } },
  { flow: "pod to Internet", from: "pod/here", to: "internet/www", is: all("egress") },
  { flow: "pod to Azure's DNS", from: "pod/here", to: "dns", is: all("node") },
  { flow: "VM to pod", from: "vm/vm", to: "pod/there", is: { ...all(nothing), "node subnet": "client", "pod subnet": "client" } },
  {
    flow: "peered VM to pod",
    from: "vm/peered",
    to: "pod/there",
    is: { ...all(nothing), "node subnet": "client", "pod subnet": "client" },
  },
  {
    flow: "on-premises to pod",
    from: "site/hq/erp",
    to: "pod/there",
    is: { ...all(nothing), "node subnet": "client", "pod subnet": "client" },
  },
  { flow: "client to load balancer, policy Cluster", from: "internet/www", to: "svc/cluster", is: all("node") },
  { flow: "client to load balancer, policy Local", from: "internet/www", to: "svc/local", is: all("client") },
  { flow: "host-network pod to VM", from: "pod/host", to: "vm/vm", is: all("client") },
  { flow: "host-network pod to VM, peered VNet", from: "pod/host", to: "vm/peered", is: all("client") },
  { flow: "host-network pod to on-premises", from: "pod/host", to: "site/hq/erp", is: all("client") },
  { flow: "host-network pod to Internet", from: "pod/host", to: "internet/www", is: all("egress") },
  { flow: "host-network pod to pod, other node", from: "pod/host", to: "pod/there", is: all("client") },
];

/** As the table has it, where it has more than one name for the same. */
function same(seen: string, wanted: string): boolean {
  // By policy Cluster the node that the balancer picked may be the pod's own: kubenet then has the bridge's address.
  return seen === wanted || (wanted === "node" && seen === "bridge");
}

const kernel = new Kernel();

test("pods of a pod subnet leave by its NAT gateway, and their nodes by the load balancer", async () => {
  const gateway = "publicIPAddresses: [{ name: nat }]\nnatGateways: [{ name: own, subnets: [hub/pods], publicIpAddresses: [nat] }]\n";
  const view = openText({ lab: lab("pod subnet") + gateway, manifests: { "m.yaml": manifest } });
  const running = new RunningLab(view, kernel);
  try {
    const seen: string[] = [];
    for (const name of ["here", "host"]) {
      const sender = view.endpoints.find((one) => one.kind === "pod" && one.name === name);
      const asked: Question = {
        from: name,
        to: "internet/www",
        host: sender?.host ?? "",
        options: [],
        packet: { protocol: "tcp", destination: mustAddress("203.0.113.10"), destinationPort: 80, sourcePort: 40_000 },
      };
      const observed = (await running.send(asked, 5000)) as Observation;
      expect(predict(view, asked).map(({ source }) => source)).toEqual([observed.source?.address]);
      seen.push(observed.source?.address ?? "");
    }
    expect(seen[0]).not.toBe(seen[1]);
    expect(seen).toEqual([expect.stringMatching(/^198\.18\./), expect.stringMatching(/^198\.18\./)]);
  } finally {
    running.close();
  }
});

describe.each(Object.keys(options) as Option[])("%s", (option) => {
  const view = withDns(openText({ lab: lab(option), manifests: { "m.yaml": manifest } }));
  const end = (text: string) => {
    const found = view.endpoints.find(({ label, cluster, name, kind }) =>
      cluster === undefined ? label === text : `${kind}/${name}` === text,
    );
    if (found === undefined) throw new Error(`no end ${text}`);
    return found;
  };
  const question = ({ from, to }: Row, index: number): Question => {
    const sender = end(from);
    const base = { from, to, host: sender.host, options: [] };
    const sourcePort = 40_000 + index;
    if (to === "dns") {
      return { ...base, packet: { protocol: "udp", destination: mustAddress("168.63.129.16"), destinationPort: 53, sourcePort } };
    }
    if (!to.startsWith("svc/"))
      return { ...base, packet: { protocol: "tcp", destination: end(to).address, destinationPort: 80, sourcePort } };
    const via = from.startsWith("internet/") ? "loadbalancer" : "clusterip";
    for (const asked of questionsFor(view, 1, undefined).asked) {
      if (asked.to === `c:default/${to}:80` && asked.options.includes(via)) {
        return { ...base, packet: { ...asked.packet, sourcePort } as Question["packet"] };
      }
    }
    throw new Error(`no question to ${to} by ${via}`);
  };

  test("who sees whom, predicted and observed", async () => {
    const running = new RunningLab(view, kernel);
    try {
      const table: Record<string, string> = {};
      const wanted: Record<string, string> = {};
      for (const [index, row] of rows.entries()) {
        const asked = question(row, index);
        const say = words(view, end(row.from).address);
        const seen = (source: string | undefined, outcome: string) =>
          source === undefined || outcome !== "answered" ? nothing : say(source);
        const predicted = predict(view, asked).map(({ source, outcomes }) => seen(source, outcomes[0] ?? ""));
        const observed = (await running.send(asked, row.is[option] === nothing ? 500 : 5000)) as Observation;
        const found = [...new Set([...predicted, seen(observed.source?.address, observed.outcome)])].filter(
          (one) => !same(one, row.is[option]),
        );
        wanted[row.flow] = row.is[option];
        table[row.flow] =
          found.length === 0
            ? row.is[option]
            : `predicted ${predicted.join(" or ")}, observed ${seen(observed.source?.address, observed.outcome)}`;
      }
      expect(table).toEqual(wanted);
    } finally {
      running.close();
    }
  });
});
