/**
 * An assumption, for labs that do not run: a machine answers the health probe of a load balancer of one's own if it runs, listens on the port, and security
 * groups let the probe in. In a running lab the probes are sent.
 */

import { armId, clusterTag, machineInterface, segmentAfter } from "../arm/names.ts";
import { listenTag } from "../arm/resources.ts";
import { parsePortSpec } from "../net/ports.ts";
import { armKey } from "../resources/resources.ts";
import { failingProbes } from "./assumed-probes.ts";
import { remembering } from "./memo.ts";
import { stoppedMachines } from "./node-lifecycle.ts";
import { letsProbeIn } from "./probe-access.ts";
import { listArm, Writes } from "./view.ts";

export const assumedMachineProbes = remembering("assumed-machine-probes", (resources) => {
  const writes = new Writes(resources);
  const balancers = listArm(resources, "Microsoft.Network/loadBalancers").filter(({ tags }) => tags?.[clusterTag] === undefined);
  if (balancers.length === 0) return writes.list;
  const machines = new Map(
    listArm(resources, "Microsoft.Compute/virtualMachines").map((machine) => [armKey(machineInterface(machine.id)), machine]),
  );
  const [failing, stopped] = [failingProbes(resources), stoppedMachines(resources)];
  for (const { id, name, properties } of balancers) {
    const members = properties.backendAddressPools.flatMap((pool) => pool.properties.backendIPConfigurations);
    for (const probe of properties.probes) {
      const { port } = probe.properties;
      const healthy = members.filter((member) => {
        const machine = machines.get(armKey(member.id.slice(0, member.id.lastIndexOf("/ipConfigurations/"))));
        if (machine === undefined || stopped.has(armKey(machine.id)) || failing.has(armKey(probe.id ?? ""))) return false;
        const listens = (machine.tags?.[listenTag] ?? "").split(" ").some((text) => {
          const spec = parsePortSpec(text);
          return spec?.port === port && spec.protocol === "tcp";
        });
        return listens && letsProbeIn(resources, member.id, port);
      });
      writes.putArm({
        id: armId(segmentAfter(id, "resourceGroups"), "Drydock.Lab/probeResults", `${name}-${probe.name}`),
        name: `${name}-${probe.name}`,
        type: "Drydock.Lab/probeResults",
        properties: { probe: { id: probe.id ?? "" }, healthy: healthy.map((member) => member.id) },
      });
    }
  }
  return writes.list;
});
