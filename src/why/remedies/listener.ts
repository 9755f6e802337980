/** The receiver was reached and nothing listens on the port. */

import {
  type AzureResource,
  type InternetHost,
  listenTag,
  type PrivateEndpoint,
  type Site,
  type VirtualMachine,
} from "../../arm/resources.ts";
import type { Pod } from "../../kube/objects.ts";
import type { Endpoint } from "../../lab/endpoints.ts";
import type { LabView } from "../../lab/view.ts";
import { armBucket, armKey, kubeKey, type Write } from "../../resources/resources.ts";
import type { Change } from "../change.ts";
import type { Obstacle } from "../obstacle.ts";

export function forListener(view: LabView, { packet, host }: Obstacle): readonly Change[] {
  const { protocol, destinationPort: port } = packet;
  if (port === undefined || (protocol !== "tcp" && protocol !== "udp")) return [];
  const endpoint = view.endpoints.find(
    (one) => one.host === host && one.kind !== "node" && (one.address === packet.destination || one.ipv6Address === packet.destination),
  );
  if (endpoint === undefined) return [];
  const spec = `${port}/${protocol}`;
  const heard = endpoint.listens.map((one) => `${one.port}/${one.protocol}`).join(", ");
  const base = {
    kind: "listener",
    what: `let ${endpoint.label} listen on ${spec}: it listens on ${heard === "" ? "nothing" : heard}`,
    owner:
      endpoint.namespace === undefined
        ? `whoever runs ${endpoint.label}`
        : `namespace ${endpoint.namespace} of cluster ${endpoint.cluster}`,
    note: "or send to a port on which it listens",
  } as const;
  const write = listening(view, endpoint, port, protocol);
  return write === undefined ? [] : [{ ...base, writes: () => [write] }];
}

function listening(view: LabView, { kind, name, cluster = "", pod }: Endpoint, port: number, protocol: "tcp" | "udp"): Write | undefined {
  const spec = `${port}/${protocol}`;
  switch (kind) {
    case "pod": {
      if (pod === undefined) return undefined;
      const [first, ...others] = pod.spec.containers;
      if (first === undefined) return undefined;
      const ports = [...(first.ports ?? []), { containerPort: port, ...(protocol === "udp" ? { protocol: "UDP" as const } : {}) }];
      const value: Pod = { ...pod, spec: { ...pod.spec, containers: [{ ...first, ports }, ...others] } };
      return { key: kubeKey(cluster, "Pod", pod.metadata.namespace, pod.metadata.name), value };
    }
    case "vm":
    case "endpoint": {
      const type = kind === "vm" ? "Microsoft.Compute/virtualMachines" : "Microsoft.Network/privateEndpoints";
      const found = named<VirtualMachine | PrivateEndpoint>(view, type, name);
      if (found === undefined) return undefined;
      return {
        key: armKey(found.id),
        value: { ...found, tags: { ...found.tags, [listenTag]: `${found.tags?.[listenTag] ?? ""} ${spec}`.trim() } },
      };
    }
    case "internet": {
      const found = named<InternetHost>(view, "Drydock.Lab/internetHosts", name);
      if (found === undefined) return undefined;
      return {
        key: armKey(found.id),
        value: { ...found, properties: { ...found.properties, listen: [...found.properties.listen, spec] } },
      };
    }
    case "site": {
      const sites = view.resources.list(armBucket("Drydock.Lab/sites")) as readonly unknown[] as readonly Site[];
      const site = sites.find(({ properties }) => properties.machines.some((machine) => machine.name === name));
      if (site === undefined) return undefined;
      const machines = site.properties.machines.map((one) => (one.name === name ? { ...one, listen: [...one.listen, spec] } : one));
      return { key: armKey(site.id), value: { ...site, properties: { ...site.properties, machines } } };
    }
    case "node":
      return undefined;
    default:
      throw new Error(`unknown kind ${String(kind satisfies never)}`);
  }
}

function named<T extends AzureResource>(view: LabView, type: T["type"], name: string): T | undefined {
  return (view.resources.list(armBucket(type)) as readonly unknown[] as readonly T[]).find((one) => one.name === name);
}
