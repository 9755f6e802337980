/** The demonstration: everything measured is as predicted, and says what the lesson says. */

import { afterAll, expect, test } from "vitest";
import { typist } from "./drydock.ts";

const user = typist();
afterAll(user.end);

type Demo = {
  readonly journeys: readonly {
    cluster: string;
    id: string;
    agrees: boolean;
    observed: { reachable: boolean; source?: { address: string } };
  }[];
  readonly comparison: readonly Record<string, string>[];
};

test("six journeys in both options, and the table", async () => {
  const { status, stdout, stderr } = await user.run("demo", "-o", "json");
  expect(stderr).not.toContain("drydock:");
  const demo: Demo = JSON.parse(stdout);
  expect(demo.journeys.filter((journey) => !journey.agrees)).toEqual([]);
  expect(status).toBe(0);
  const saw = (cluster: string, id: string) => {
    const journey = demo.journeys.find((one) => one.cluster === cluster && one.id === id);
    return journey?.observed.reachable === true ? journey.observed.source?.address : "nothing";
  };
  expect(saw("shop-kubenet", "same-node")).toMatch(/^10\.244\.0\./);
  expect(saw("shop-kubenet", "across-nodes")).toMatch(/^10\.244\.0\./);
  expect(saw("shop-kubenet", "pod-to-vm")).toBe("10.240.0.4");
  expect(saw("shop-kubenet", "vm-to-pod")).toBe("nothing");
  expect(saw("shop-kubenet", "site-to-pod")).toBe("nothing");
  expect(saw("shop-azure", "pod-to-vm")).toMatch(/^10\.240\.2\./);
  expect(saw("shop-azure", "vm-to-pod")).toBe("10.240.4.4");
  expect(saw("shop-azure", "site-to-pod")).toBe("192.168.10.5");
  for (const cluster of ["shop-kubenet", "shop-azure"]) {
    expect(saw(cluster, "pod-to-internet")).toMatch(/^198\.18\./);
    expect(saw(cluster, "service-local")).toBe("203.0.113.10");
    expect(saw(cluster, "service-cluster")).not.toBe("203.0.113.10");
  }
  expect(demo.comparison.length).toBeGreaterThan(10);
  expect((await user.run("status")).status).toBe(4);
});
