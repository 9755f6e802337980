/** Gives every virtual machine and every private endpoint its network interface, and takes the interfaces of gone ones away. */

import {
  addressTag,
  applicationSecurityGroupsTag,
  armId,
  ipForwardingTag,
  ipv6AddressTag,
  lastSegment,
  machineInterface,
  publicAddressTag,
  publicIpv6AddressTag,
  securityGroupTag,
  segmentAfter,
  subnetTag,
} from "../arm/names.ts";
import type { NetworkInterface, PrivateEndpoint, Reference, VirtualMachine } from "../arm/resources.ts";
import { parseAddress } from "../net/address.ts";
import { armKey } from "../resources/resources.ts";
import { Ipv6Addresses, ipv6Configuration } from "./ipv6-addresses.ts";
import { remembering } from "./memo.ts";
import { SubnetAddresses } from "./subnet-addresses.ts";
import { listArm, Writes } from "./view.ts";

type Owner = VirtualMachine | PrivateEndpoint;

/**
 * Machines with a static address come first, so that no other gets theirs. One whose address is taken, or whose subnet is full, has no
 * interface and says why; it is tried again when addresses change.
 */
export const virtualMachines = remembering("virtual-machines", (resources) => {
  const writes = new Writes(resources);
  const machines: readonly Owner[] = [
    ...listArm(resources, "Microsoft.Compute/virtualMachines"),
    ...listArm(resources, "Microsoft.Network/privateEndpoints"),
  ];
  const nics = listArm(resources, "Microsoft.Network/networkInterfaces");
  const byKey = new Map(nics.map((nic) => [armKey(nic.id), nic]));

  const wanted = new Map(machines.map((machine) => [armKey(nicId(machine)), machine]));
  const kept = new Set<string>();
  for (const nic of nics) {
    const key = armKey(nic.id);
    const machine = wanted.get(key);
    // Interfaces of no machine of ours were made by the user.
    const isOurs = (machine !== undefined && ownerOf(nic) === armKey(machine.id)) || nic.tags?.[madeByTag] !== undefined;
    if (machine !== undefined && fits(nic, machine)) {
      kept.add(key);
      // What else the machine says about its interface changes in place.
      const first = nic.properties.ipConfigurations[0]?.properties;
      const six = ipv6Configuration(nic)?.properties.privateIPAddress;
      if (isOurs && first !== undefined) writes.putArm(nicOf(machine, first.subnet.id, first.privateIPAddress, six));
    } else if (isOurs) writes.delete(key);
  }

  const waiting = machines.filter((machine) => !kept.has(armKey(nicId(machine))));
  if (waiting.length > 0) {
    const addresses = new SubnetAddresses(resources);
    for (const write of writes.list) {
      if (write.value !== undefined) continue;
      for (const { properties } of byKey.get(write.key)?.properties.ipConfigurations ?? []) {
        addresses.release(properties.subnet.id, properties.privateIPAddress);
      }
    }
    let ipv6Addresses: Ipv6Addresses | undefined;
    const ipv6Address = (machine: Owner, subnet: string): string | undefined => {
      const wanted = machine.tags?.[ipv6AddressTag];
      if (wanted === undefined) return undefined;
      ipv6Addresses ??= new Ipv6Addresses(resources);
      return wanted === "" ? ipv6Addresses.take(subnet) : ipv6Addresses.takeExactly(subnet, wanted);
    };
    const isStatic = (machine: Owner) => machine.tags?.[addressTag] !== undefined;
    for (const machine of [...waiting.filter(isStatic), ...waiting.filter((candidate) => !isStatic(candidate))]) {
      const subnet = machine.tags?.[subnetTag] ?? "";
      const requested = machine.tags?.[addressTag];
      const address = requested === undefined ? addresses.take(subnet, 1)?.[0] : taken(addresses, subnet, requested);
      if (address === undefined) {
        writes.putArm(
          requested === undefined ? failed(machine, ...full(addresses, subnet)) : failed(machine, ...refused(addresses, subnet, requested)),
        );
        continue;
      }
      writes.putArm(nicOf(machine, subnet, address, ipv6Address(machine, subnet)));
      kept.add(armKey(nicId(machine)));
    }
  }
  for (const machine of machines) if (kept.has(armKey(nicId(machine)))) writes.putArm(succeeded(machine));
  return writes.list;
});

/** Marks the interfaces that this controller made. */
const madeByTag = "drydock-made-by";

function ownerOf({ properties }: NetworkInterface): string {
  return armKey(properties.virtualMachine?.id ?? properties.privateEndpoint?.id ?? "");
}

function isEndpoint(owner: Owner): owner is PrivateEndpoint {
  return owner.type === "Microsoft.Network/privateEndpoints";
}

function nicName(owner: Owner): string {
  return isEndpoint(owner) ? `${owner.name}.nic` : lastSegment(machineInterface(owner.id));
}

function nicId(owner: Owner): string {
  return armId(segmentAfter(owner.id, "resourceGroups"), "Microsoft.Network/networkInterfaces", nicName(owner));
}

function nicOf(machine: Owner, subnet: string, address: string, ipv6Address: string | undefined): NetworkInterface {
  const id = nicId(machine);
  const group = machine.tags?.[securityGroupTag];
  const publicAddress = machine.tags?.[publicAddressTag];
  const publicIpv6Address = machine.tags?.[publicIpv6AddressTag];
  const memberships = machine.tags?.[applicationSecurityGroupsTag];
  const groups =
    memberships === undefined ? {} : { applicationSecurityGroups: memberships.split(" ").map((name): Reference => ({ id: name })) };
  return {
    id,
    name: nicName(machine),
    type: "Microsoft.Network/networkInterfaces",
    ...(machine.location === undefined ? {} : { location: machine.location }),
    tags: { [madeByTag]: virtualMachines.name },
    properties: {
      enableIPForwarding: machine.tags?.[ipForwardingTag] === "true",
      ...(isEndpoint(machine) ? { privateEndpoint: { id: machine.id } } : { virtualMachine: { id: machine.id } }),
      ...(group === undefined ? {} : { networkSecurityGroup: { id: group } }),
      ipConfigurations: [
        {
          id: `${id}/ipConfigurations/ipconfig1`,
          name: "ipconfig1",
          properties: {
            primary: true,
            privateIPAddress: address,
            ...(publicAddress === undefined ? {} : { publicIPAddress: { id: publicAddress } }),
            subnet: { id: subnet },
            ...groups,
          },
        },
        ...(ipv6Address === undefined
          ? []
          : [
              {
                id: `${id}/ipConfigurations/ipconfig-ipv6`,
                name: "ipconfig-ipv6",
                properties: {
                  primary: false,
                  privateIPAddress: ipv6Address,
                  privateIPAddressVersion: "IPv6" as const,
                  ...(publicIpv6Address === undefined ? {} : { publicIPAddress: { id: publicIpv6Address } }),
                  subnet: { id: subnet },
                  ...groups,
                },
              },
            ]),
      ],
    },
  };
}

/** Is it the interface that the machine asks for: in its subnet, with its static address if it has one? */
function fits(nic: NetworkInterface, machine: Owner): boolean {
  const first = nic.properties.ipConfigurations[0]?.properties;
  const requested = machine.tags?.[addressTag];
  const [six, wantedSix] = [ipv6Configuration(nic)?.properties.privateIPAddress, machine.tags?.[ipv6AddressTag]];
  return (
    first !== undefined &&
    (six === undefined) === (wantedSix === undefined) &&
    (wantedSix === undefined || wantedSix === "" || six === wantedSix) &&
    armKey(first.subnet.id) === armKey(machine.tags?.[subnetTag] ?? "") &&
    (requested === undefined || first.privateIPAddress === requested)
  );
}

function taken(addresses: SubnetAddresses, subnet: string, address: string): string | undefined {
  return addresses.takeExactly(subnet, address) ? address : undefined;
}

function full(addresses: SubnetAddresses, subnet: string): [code: string, message: string] {
  return ["SubnetIsFull", `needs 1 address, ${addresses.describe(subnet)}`];
}

function refused(addresses: SubnetAddresses, subnet: string, address: string): [code: string, message: string] {
  if (parseAddress(address) !== undefined && addresses.isAssignable(subnet, address)) {
    return ["PrivateIPAddressInUse", `${address} is in use: choose another, or leave it out to get the lowest free one`];
  }
  return ["PrivateIPAddressNotInSubnet", `${address} is not to be had: ${addresses.describe(subnet)}`];
}

function succeeded(owner: Owner): Owner {
  const interfaces = [{ id: nicId(owner) }];
  if (isEndpoint(owner)) {
    const { subnet } = owner.properties;
    return { ...owner, properties: { subnet, provisioningState: "Succeeded", networkInterfaces: interfaces } };
  }
  const { provisioningState: _state, statusCode: _code, statusMessage: _message, ...properties } = owner.properties;
  return { ...owner, properties: { ...properties, provisioningState: "Succeeded", networkProfile: { networkInterfaces: interfaces } } };
}

function failed(owner: Owner, statusCode: string, statusMessage: string): Owner {
  const state = { provisioningState: "Failed", statusCode, statusMessage } as const;
  return isEndpoint(owner)
    ? { ...owner, properties: { ...owner.properties, ...state, networkInterfaces: [] } }
    : { ...owner, properties: { ...owner.properties, ...state, networkProfile: { networkInterfaces: [] } } };
}
