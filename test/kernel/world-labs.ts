/** Small labs for tests of the daemon, as documents would make them, and the daemon's program. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { cluster, deployment, keyIn, labResource, machine, pool, service, subnetId, vnet } from "../../src/controllers/testing/lab.ts";
import type { KubeObject, Service } from "../../src/kube/objects.ts";
import { armKey } from "../../src/resources/resources.ts";
import type { Entry } from "../../src/world/protocol.ts";

/** A kubenet cluster `c` of `nodes` nodes that runs Deployment and Service `web`, and the machine `db`. */
export function smallLab(options: {
  readonly nodes?: number;
  readonly pods: number;
  readonly service?: Partial<Service["spec"]>;
  readonly more?: readonly KubeObject[];
}): readonly Entry[] {
  const azure = [
    labResource(),
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", data: "10.240.4.0/24" }),
    machine("db", subnetId("hub", "data")),
    cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
    pool("c", "np1", subnetId("hub", "plain"), { count: options.nodes ?? 2 }),
  ];
  const kube = [deployment("web", options.pods), service("web", options.service ?? {}), ...(options.more ?? [])];
  return [
    ...azure.map((value): Entry => ({ key: armKey(value.id), value })),
    ...kube.map((value): Entry => ({ key: keyIn("c", value), value })),
  ];
}

/** Builds the daemon's program beside the real one and returns its path. Within the repository, so that it finds its packages. */
export function buildWorld(): string {
  const folder = join(import.meta.dirname, "../../node_modules/.cache/drydock-test");
  const { status, stderr } = spawnSync(process.execPath, ["scripts/build.mjs", folder], {
    cwd: join(import.meta.dirname, "../.."),
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`build: ${stderr}`);
  return join(folder, "world.mjs");
}
