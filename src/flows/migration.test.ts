import { describe, expect, test } from "vitest";
import { randomLab } from "../../test/labs/random-lab.ts";
import type { AzureResource, ManagedCluster } from "../arm/resources.ts";
import { refusedTransitions } from "../arm/transition.ts";
import { type Documents, readLab } from "../lab/index.ts";
import { migrationOf, shellText } from "./migration.ts";

function documentsOf(lab: string, manifests: Readonly<Record<string, string>> = {}): Documents {
  const { documents, problems } = readLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: manifests[path] ?? "" }));
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  return documents;
}

function azureOf(documents: Documents): readonly AzureResource[] {
  return documents.flatMap(({ value }) => ("type" in value && "id" in value ? [value] : []));
}

function clustersOf(documents: Documents): readonly ManagedCluster[] {
  return azureOf(documents).filter((resource) => resource.type === "Microsoft.ContainerService/managedClusters");
}

describe("each step of a move in place is a change that Azure allows", () => {
  test.each([1, 2, 3, 4, 5, 6])("labs by chance, seed %i", (seed) => {
    const { lab, manifests } = randomLab(seed);
    const documents = documentsOf(lab, manifests);
    for (const cluster of clustersOf(documents)) {
      for (const target of ["overlay", "cilium"] as const) {
        const { way, steps, reasons } = migrationOf(documents, cluster, target);
        if (way !== "in place") {
          expect([way, reasons.length > 0], cluster.name).toEqual([way, way !== "nothing to do"]);
          continue;
        }
        let before = documents;
        for (const step of steps) {
          const refused = refusedTransitions(azureOf(before), azureOf(step.documents ?? before));
          expect(
            refused.map(({ message }) => message),
            `${cluster.name}: ${step.title}`,
          ).toEqual([]);
          before = step.documents ?? before;
        }
      }
    }
  });
});

const design = (profile: string, more = "") => `
lab: one
networks: [{ name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: nodes, prefix: 10.240.0.0/22 }] }]
clusters: [{ name: shop, subnet: hub/nodes, serviceCidr: 10.1.0.0/16, ${profile}, pools: [{ name: np1, count: 3, maxPods: 30 }]${more} }]
`;

function titles(lab: string, target: Parameters<typeof migrationOf>[2], manifests?: Readonly<Record<string, string>>): readonly string[] {
  const documents = documentsOf(lab, manifests);
  const [cluster] = clustersOf(documents);
  if (cluster === undefined) throw new Error("no cluster");
  const { way, steps, reasons } = migrationOf(documents, cluster, target);
  return [way, ...reasons, ...steps.map(({ title }) => title)];
}

describe("the way", () => {
  test("what is in the way goes first, and the policy engine comes back behind", () => {
    const map =
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: azure-ip-masq-agent-config, namespace: kube-system }\ndata: { ip-masq-agent: '{}' }\n";
    const lab = design("networkPlugin: azure, networkPolicy: azure, kubernetesVersion: 1.26.3", ", manifests: [masq.yaml]");
    expect(titles(lab, "overlay", { "masq.yaml": map })).toEqual([
      "in place",
      "upgrade Kubernetes to 1.27 or later",
      "take away the ConfigMap azure-ip-masq-agent-config",
      "remove the network policy engine azure",
      "move to Azure CNI Overlay",
      "put the network policy engine azure back",
      "look whether all nodes and pods are there again",
    ]);
  });

  test("an overlay cannot be left", () => {
    expect(titles(design("networkPlugin: azure, networkPluginMode: overlay"), "kubenet").slice(0, 2)).toEqual([
      "rebuild",
      "Azure CNI Overlay cannot be left: no cluster gets from it to kubenet (aks:update-azure-cni.md)",
    ]);
  });

  test("an overlay gets Cilium in one operation, and there is nothing to do where it is", () => {
    expect(titles(design("networkPlugin: azure, networkPluginMode: overlay"), "cilium")).toEqual([
      "in place",
      "change to the Cilium data plane",
    ]);
    expect(titles(design("networkPlugin: azure, networkPluginMode: overlay"), "overlay")).toEqual(["nothing to do"]);
  });
});

test("no word of a design means anything to a shell", () => {
  expect(shellText(["az", "a b", "it's", "$(x)", "", "10.0.0.0/8"])).toBe("az 'a b' 'it'\\''s' '$(x)' '' 10.0.0.0/8");
});
