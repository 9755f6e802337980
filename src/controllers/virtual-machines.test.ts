import { describe, expect, it } from "vitest";
import type { NetworkInterface, VirtualMachine } from "../arm/resources.ts";
import { machine, subnetId, TestLab, vnet } from "./testing/lab.ts";

const data = subnetId("hub", "data");

function labWith(...machines: readonly ReturnType<typeof machine>[]): TestLab {
  const lab = new TestLab([...vnet("hub", ["10.240.0.0/16"], { data: "10.240.4.0/29" }), ...machines]);
  lab.settle();
  return lab;
}

const addresses = (lab: TestLab) =>
  lab
    .arm<NetworkInterface>("Microsoft.Network/networkInterfaces")
    .map((nic) => `${nic.name} ${nic.properties.ipConfigurations[0]?.properties.privateIPAddress}`);
const machines = (lab: TestLab) => lab.arm<VirtualMachine>("Microsoft.Compute/virtualMachines");

describe("virtual machines", () => {
  it("get the lowest free address, after those that ask for one", () => {
    expect(addresses(labWith(machine("a", data), machine("b", data, "10.240.4.4"), machine("c", data)))).toEqual([
      "a-nic 10.240.4.5",
      "b-nic 10.240.4.4",
      "c-nic 10.240.4.6",
    ]);
  });

  // A /29 has 8 - 5 = 3.
  it("fail when the subnet is full, and are tried again", () => {
    const lab = labWith(...["a", "b", "c", "d"].map((name) => machine(name, data)));
    expect(machines(lab)[3]?.properties).toMatchObject({
      provisioningState: "Failed",
      statusCode: "SubnetIsFull",
      statusMessage: "needs 1 address, 0 free of 3 in subnet hub/data (10.240.4.0/29: 8 - 5 reserved by Azure)",
    });
    lab.remove((machines(lab)[0]?.id ?? "").toLowerCase()).settle();
    expect(addresses(lab)).toEqual(["b-nic 10.240.4.5", "c-nic 10.240.4.6", "d-nic 10.240.4.4"]);
    expect(machines(lab).map(({ properties }) => properties.provisioningState)).toEqual(["Succeeded", "Succeeded", "Succeeded"]);
  });

  it.each([
    { address: "10.240.4.3", code: "PrivateIPAddressNotInSubnet" },
    { address: "10.240.4.7", code: "PrivateIPAddressNotInSubnet" },
    { address: "10.240.5.4", code: "PrivateIPAddressNotInSubnet" },
    { address: "10.240.4.5", code: "PrivateIPAddressInUse" },
  ])("are refused $address with $code", ({ address, code }) => {
    const lab = labWith(machine("a", data, "10.240.4.5"), machine("b", data, address));
    expect(machines(lab)[1]?.properties.statusCode).toBe(code);
  });

  it("move when they ask for another address", () => {
    const lab = labWith(machine("a", data));
    lab.put(machine("a", data, "10.240.4.6")).settle();
    expect(addresses(lab)).toEqual(["a-nic 10.240.4.6"]);
  });
});
