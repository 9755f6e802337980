/** Real-kernel tests run inside a world: `npm run test:kernel`. Started any other way they would change the machine, so they refuse. */

import { readFileSync } from "node:fs";

/** Call first in every test file of the kernel project. */
export function requireKernel(): void {
  const mounts = readFileSync("/proc/self/mounts", "utf8");
  if (!/^drydock \/run tmpfs /m.test(mounts))
    throw new Error("kernel tests run inside a world: npm run test:kernel -- FILE, or bin/test FILE");
}
