/**
 * The same lab as Azure would tell of it: what `az resource` says of everything in its resource groups, or a deployment template of the one that is the
 * user's; and a lab file with what Azure does not know. So whatever a lab by chance has, it has been read from an export and from a template, too.
 */

import { machineInterface } from "../../src/arm/names.ts";
import { listenTag } from "../../src/arm/resources.ts";
import type { LabView } from "../../src/lab/view.ts";
import type { LabText } from "./random-lab.ts";

/** What a lab file's `sites` make. */
const gateways = new Set(["virtualNetworkGateways", "localNetworkGateways", "connections"].map((type) => `Microsoft.Network/${type}`));

type Resource = {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly properties: Readonly<Record<string, unknown>>;
};

/** Sections of a lab file that no export can say. */
const ownSections = new Set(["lab", "rules", "internet", "sites", "faults"]);

/** `view`: the lab, at rest. */
export function asExport({ lab, manifests }: LabText, view: LabView): LabText & { readonly exported: string; readonly template: string } {
  const resources = view.resources
    .buckets()
    .flatMap((bucket) => view.resources.list(bucket))
    .flatMap((value): Resource[] => {
      const resource = value as unknown as Partial<Resource>;
      if (resource.type?.startsWith("Microsoft.") !== true || resource.id === undefined) return [];
      if (gateways.has(resource.type)) return [];
      return [asAzureSays(resource as Resource)];
    });
  const own = resources.filter(({ id }) => /^\/subscriptions\/[^/]+\/resourceGroups\/random\//.test(id));
  return {
    lab: withoutExported(lab),
    manifests,
    exported: JSON.stringify(resources),
    template: JSON.stringify({
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: own.map(inTemplate),
    }),
  };
}

/** By its whole name, `VNET/SUBNET`, and without what Azure gives it. */
function inTemplate({ id, name: _name, ...resource }: Resource) {
  const [, ...segments] = id.slice(id.lastIndexOf("/providers/") + "/providers/".length).split("/");
  return { apiVersion: "2024-05-01", name: segments.filter((_, index) => index % 2 === 1).join("/"), ...resource };
}

/** A machine says its interface, where Drydock says by tags what its interface is made from. */
function asAzureSays(resource: Resource): Resource {
  if (resource.type !== "Microsoft.Compute/virtualMachines") return resource;
  const { [listenTag]: listens } = resource.tags ?? {};
  return {
    ...resource,
    tags: listens === undefined ? {} : { [listenTag]: listens },
    properties: { ...resource.properties, networkProfile: { networkInterfaces: [{ id: machineInterface(resource.id) }] } },
  };
}

/** Of clusters, their names and manifests. */
function withoutExported(lab: string): string {
  let section = "";
  return lab
    .split("\n")
    .flatMap((line): string[] => {
      if (/^\w/.test(line)) section = /^(\w+):/.exec(line)?.[1] ?? "";
      if (ownSections.has(section)) return [line];
      if (section !== "clusters") return [];
      if (line === "clusters:") return [line];
      const name = /\{ name: ([\w-]+)/.exec(line)?.[1];
      const manifests = /manifests: \[[^\]]*\]/.exec(line)?.[0];
      return name === undefined || manifests === undefined ? [] : [`  - { name: ${name}, ${manifests} }`];
    })
    .join("\n");
}
