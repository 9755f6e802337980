import { describe, expect, it } from "vitest";
import type { NetworkInterface, ScaleSetMachine } from "../arm/resources.ts";
import { cluster, machine, pool, subnetId, TestLab, vnet } from "./testing/lab.ts";

const machineType = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const flat = subnetId("hub", "flat");

function azureLab(count: number, prefix = "10.240.0.0/24", maxPods = 30): TestLab {
  const lab = new TestLab([...vnet("hub", ["10.240.0.0/16"], { flat: prefix }), cluster("a"), pool("a", "np1", flat, { count, maxPods })]);
  lab.settle();
  return lab;
}

const machines = (lab: TestLab) => lab.arm<ScaleSetMachine>(machineType);
const nics = (lab: TestLab) => lab.arm<NetworkInterface>(`${machineType}/networkInterfaces`);
const states = (lab: TestLab) =>
  machines(lab).map((m) => `${m.properties.osProfile.computerName.slice(-6)} ${m.properties.provisioningState}`);

describe("node pools with Azure CNI", () => {
  it("reserves a node's address and one per pod at once, lowest free first", () => {
    const lab = azureLab(2);
    const addresses = nics(lab).map((nic) => nic.properties.ipConfigurations.map(({ properties }) => properties.privateIPAddress));
    expect(addresses.map((all) => all.length)).toEqual([31, 31]);
    expect(addresses[0]?.slice(0, 2)).toEqual(["10.240.0.4", "10.240.0.5"]);
    expect(addresses[1]?.[0]).toBe("10.240.0.35");
    expect(nics(lab)[0]?.properties.ipConfigurations.filter(({ properties }) => properties.primary)).toHaveLength(1);
    expect(nics(lab)[0]?.properties.enableIPForwarding).toBe(false);
  });

  // Facts 1.4: floor(251 / 31) = 8.
  it("fits 8 nodes into a /24; the ninth fails with the arithmetic, and the others go on", () => {
    const lab = azureLab(9);
    expect(lab.nodes("a")).toHaveLength(8);
    const failed = machines(lab).find(({ properties }) => properties.provisioningState === "Failed");
    expect(failed?.properties.statusCode).toBe("SubnetIsFull");
    expect(failed?.properties.statusMessage).toMatch(
      /needs 31 addresses \(1 for the node \+ 30 for its pods\), 3 free of 251 in subnet hub\/flat \(10\.240\.0\.0\/24: 256 - 5 reserved by Azure\)$/,
    );
    expect(lab.events("a")).toEqual([`SubnetIsFull: ${failed?.properties.statusMessage}`]);
  });

  it("tries a failed machine again when addresses come free, and ends its event", () => {
    const lab = new TestLab([
      ...vnet("hub", ["10.240.0.0/16"], { flat: "10.240.0.0/26" }),
      machine("a", flat),
      machine("b", flat),
      cluster("a"),
      pool("a", "np1", flat, { count: 2, maxPods: 28 }),
    ]);
    lab.settle();
    expect(states(lab)).toEqual(["000000 Succeeded", "000001 Failed"]);
    const db = lab.arm("Microsoft.Compute/virtualMachines")[1];
    lab.remove((db?.id ?? "").toLowerCase()).settle();
    expect(states(lab)).toEqual(["000000 Succeeded", "000001 Succeeded"]);
    expect(lab.events("a")).toEqual([]);
  });

  it("scales down from the highest instance and never uses a number twice", () => {
    const lab = azureLab(3);
    const before = nics(lab)[0];
    lab.put(pool("a", "np1", flat, { count: 1 })).settle();
    expect(states(lab)).toEqual(["000000 Succeeded"]);
    expect(nics(lab)).toEqual([before]);
    lab.put(pool("a", "np1", flat, { count: 3 })).settle();
    expect(states(lab)).toEqual(["000000 Succeeded", "000003 Succeeded", "000004 Succeeded"]);
    expect(nics(lab)[1]?.properties.ipConfigurations[0]?.properties.privateIPAddress).toBe("10.240.0.35");
  });

  it("counts instances as numbers, not as text", () => {
    const lab = azureLab(12, "10.240.0.0/21");
    lab.put(pool("a", "np1", flat, { count: 10 })).settle();
    expect(states(lab).map((state) => state.slice(0, 6))).toEqual(Array.from({ length: 10 }, (_, i) => `00000${i}`));
  });

  it("takes all of a pool away with it", () => {
    const lab = azureLab(2);
    const name = pool("a", "np1", flat, { count: 2 });
    lab.remove(name.id.toLowerCase()).settle();
    for (const type of [machineType, `${machineType}/networkInterfaces`, "Microsoft.Compute/virtualMachineScaleSets"] as const) {
      expect(lab.arm(type)).toEqual([]);
    }
    expect(lab.nodes("a")).toEqual([]);
    expect(lab.arm("Drydock.Lab/ipamStates").map(({ name }) => name)).toEqual(["public-addresses"]);
  });
});

describe("node pools with kubenet", () => {
  // Facts 1.4: 251 nodes in a /24.
  it("needs one address per node, with IP forwarding", () => {
    const lab = new TestLab([
      ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
      cluster("k", { networkPlugin: "kubenet", podCidr: "10.244.0.0/15" }),
      pool("k", "np1", subnetId("hub", "plain"), { count: 252, maxPods: 110 }),
    ]);
    lab.settle();
    expect(lab.nodes("k")).toHaveLength(251);
    expect(nics(lab).every((nic) => nic.properties.enableIPForwarding && nic.properties.ipConfigurations.length === 1)).toBe(true);
    expect(lab.events("k")[0]).toContain("needs 1 address, 0 free of 251");
  });
});
