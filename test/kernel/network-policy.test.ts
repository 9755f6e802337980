import { expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { agrees, Chance, expectationOf, expectationText, observationText } from "../../src/lab/check.ts";
import { mustAddress } from "../../src/net/address.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { mayReach, type Party, type PolicyDocument } from "../policies/oracle.ts";
import { randomPolicies, type Vocabulary } from "../policies/random-policies.ts";

/**
 * Three answers to "who reaches whom": of the tracer, of the kernel with real packets, and of test/policies/oracle.ts, which was written from the
 * Kubernetes documentation alone. They agree on every cell. More: DRYDOCK_SEEDS=40, DRYDOCK_SEED=n.
 */
const seeds = Number(process.env.DRYDOCK_SEEDS ?? 4);
const firstSeed = Number(process.env.DRYDOCK_SEED ?? (process.env.CI ? 1 : Date.now() % 1_000_000));

const namespaces = { shop: { team: "a", stage: "live" }, payments: { team: "b", stage: "live" }, lab: { team: "a" } };
const ports = [
  { name: "http", protocol: "TCP", number: 80 },
  { name: "admin", protocol: "TCP", number: 8443 },
  { name: "dns", protocol: "UDP", number: 53 },
];
const options = {
  "Calico on kubenet": "networkPlugin: kubenet, podCidr: 10.100.0.0/16, networkPolicy: calico",
  "Azure Network Policy Manager": "networkPlugin: azure, networkPolicy: azure",
  Cilium: "networkPlugin: azure, networkPolicy: cilium, networkDataplane: cilium",
};

const object = (kind: string, metadata: object, spec: object, apiVersion = "v1") => ({ apiVersion, kind, metadata, spec });
const workload = (namespace: string, name: string, labels: object, replicas: number, numbers: readonly number[], more: object = {}) =>
  object(
    "Deployment",
    { name, namespace },
    {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name, ...labels } },
        spec: {
          ...more,
          containers: [
            {
              name: "main",
              image: "any",
              // A port's name may mean another number on another pod.
              ports: ports.map((port, index) => ({
                name: port.name,
                containerPort: numbers[index] ?? port.number,
                protocol: port.protocol,
              })),
            },
          ],
        },
      },
    },
    "apps/v1",
  );

const objects = [
  ...Object.entries(namespaces).map(([name, labels]) => object("Namespace", { name, labels }, {})),
  workload("shop", "web", { tier: "front" }, 2, []),
  workload("shop", "api", { tier: "back" }, 2, [8080]),
  workload("payments", "ledger", { tier: "back" }, 2, []),
  workload("payments", "gate", {}, 1, [8080, 9443, 5353]),
  workload("lab", "tool", { tier: "front" }, 2, []),
  workload("lab", "plain", {}, 1, [81]),
  workload("lab", "host", { tier: "front" }, 1, [8081, 8444, 5354], { hostNetwork: true }),
  object("Service", { name: "web", namespace: "shop" }, { selector: { app: "web" }, ports: [{ port: 1080, targetPort: "http" }] }),
];

function labOf(option: string, policies: readonly PolicyDocument[]) {
  return {
    lab: `lab: policies
networks: [{ name: v, addressSpace: [10.40.0.0/16], subnets: [{ name: n, prefix: 10.40.0.0/24 }] }]
machines: [{ name: m, subnet: v/n, address: 10.40.0.200, listen: [80/tcp, 53/udp] }]
clusters: [{ name: c, ${option}, subnet: v/n, serviceCidr: 172.20.0.0/24, dnsServiceIP: 172.20.0.10, pools: [{ name: p, count: 2, maxPods: 30 }], manifests: [objects.yaml] }]
`,
    manifests: { "objects.yaml": [...objects, ...policies].map((each) => JSON.stringify(each)).join("\n---\n") },
  };
}

const kernel = new Kernel();

for (const [engine, option] of Object.entries(options)) {
  test(`${engine}: tracer, kernel and documentation agree on every cell`, { timeout: 600_000 }, async () => {
    const lab = new RunningLab(openText(labOf(option, [])), kernel);
    try {
      let allowed = 0;
      let denied = 0;
      for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
        const chance = new Chance(seed);
        const policies = randomPolicies(chance, 1 + chance.below(6), vocabularyOf(lab));
        const view = openText(labOf(option, policies));
        expect(kernel.apply(view.network).errors).toEqual([]);
        const parties = partiesOf(lab);
        const cluster = view.topology.clusters.get("c");
        const pods = parties.flatMap(({ party }) => (party.pod === undefined ? [] : party.address));
        const nodes = [...(cluster?.nodes.values() ?? [])].map(({ nic }): string => nic.primary);
        const world = { policies, namespaces, addressesWithoutBlocks: new Set(engine === "Cilium" ? [...pods, ...nodes] : []) };
        const cells = parties.flatMap((from) =>
          parties.flatMap((to) =>
            to.listens.map((listen) => ({
              from,
              to,
              ...listen,
              wanted: mayReach(world, from.party, to.party, listen.protocol, listen.port),
            })),
          ),
        );
        const wrong: string[] = [];
        let sourcePort = 33_000;
        await inParallel(cells, async ({ from, to, protocol, port, wanted }) => {
          if (from.host === to.host) return;
          const packet = {
            protocol: protocol === "UDP" ? ("udp" as const) : ("tcp" as const),
            destination: mustAddress(to.party.address),
            destinationPort: port,
            sourcePort: sourcePort++,
          };
          const expected = view.tracer.trace(from.host, packet).map((path) => expectationOf(view.network, path));
          const question = { from: from.host, to: to.host, host: from.host, packet, options: [] };
          const observed = await lab.send(question, 500);
          if (wanted) allowed++;
          else denied++;
          const traced = expected.every((one) => one.path.outcome === "delivered");
          if (traced === wanted && agrees(observed as never, expected) && (observed.outcome === "answered") === wanted) return;
          wrong.push(
            `${from.host} > ${to.host}:${port}/${protocol}: documentation ${wanted}, tracer ${expected.map(expectationText).join(" | ")}, kernel ${observationText(observed as never)}`,
          );
        });
        expect(
          wrong.slice(0, 4),
          `${wrong.length} of ${cells.length} cells; seed ${seed}\n${policies.map((policy) => JSON.stringify(policy)).join("\n")}`,
        ).toEqual([]);
      }
      expect(allowed).toBeGreaterThan(50);
      expect(denied).toBeGreaterThan(50);
    } finally {
      lab.close();
    }
  });
}

type Placed = {
  readonly host: string;
  readonly party: Party;
  readonly listens: readonly { readonly protocol: string; readonly port: number }[];
};

/** Pods, and a machine that is none. */
function partiesOf({ view }: RunningLab): readonly Placed[] {
  const cluster = view.topology.clusters.get("c");
  const pods = [...(cluster?.podsByNode.values() ?? [])].flat().map(({ pod, address, host }): Placed => {
    const declared = pod.spec.containers.flatMap((container) => container.ports ?? []);
    const list = declared.map(({ name = "", protocol = "TCP", containerPort }) => ({ name, protocol, number: containerPort }));
    return {
      host,
      party: { address, pod: { namespace: pod.metadata.namespace ?? "", labels: pod.metadata.labels ?? {}, ports: list } },
      listens: list.map(({ protocol, number }) => ({ protocol, port: number })),
    };
  });
  expect(pods.length).toBeGreaterThanOrEqual(9);
  const machine: Placed = {
    host: "vm/m",
    party: { address: "10.40.0.200" },
    listens: [
      { protocol: "TCP", port: 80 },
      { protocol: "UDP", port: 53 },
    ],
  };
  return [...pods, machine];
}

function vocabularyOf(lab: RunningLab): Vocabulary {
  const addresses = partiesOf(lab).map(({ party }) => party.address);
  const [one = "", two = ""] = addresses;
  return {
    namespaces: Object.keys(namespaces),
    podLabels: { app: ["web", "api", "ledger", "tool"], tier: ["front", "back"] },
    namespaceLabels: { team: ["a", "b"], stage: ["live"], "kubernetes.io/metadata.name": ["lab", "shop"] },
    ports: [
      { port: 80 },
      { port: "http" },
      { port: "admin", protocol: "TCP" },
      { port: 53, protocol: "UDP" },
      { port: "dns", protocol: "UDP" },
      { protocol: "UDP" },
      { port: 8000, endPort: 8500 },
      { port: 80, endPort: 80, protocol: "TCP" },
      { port: 79, endPort: 9000 },
      { port: 80, protocol: "SCTP" },
    ],
    blocks: [
      { cidr: "10.0.0.0/8" },
      { cidr: "0.0.0.0/0", except: [`${one}/32`] },
      { cidr: `${two}/32` },
      { cidr: "10.0.0.0/8", except: ["10.40.0.192/28", `${two}/31`] },
      { cidr: "10.40.0.200/32" },
      { cidr: "2001:db8::/32" },
    ],
  };
}

async function inParallel<T>(items: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await visit(item);
  };
  await Promise.all(Array.from({ length: 150 }, worker));
}
