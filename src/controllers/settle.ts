/** Running controllers until there is nothing left to do. */

import type { Resources, Write } from "../resources/resources.ts";
import type { Controller } from "./controller.ts";

/** A lab from nothing takes about four rounds; each kind of thing that waits for another adds at most one. */
const maxRounds = 50;

/**
 * Runs the controllers in turn until none has anything left to write, and returns how many rounds it took (at least 1).
 * `commit` must have applied the writes to `resources` when it returns.
 *
 * Throws when they do not come to rest: two controllers then want different things, which is a bug in them.
 */
export function settle(resources: Resources, controllers: readonly Controller[], commit: (writes: readonly Write[]) => void): number {
  let quiet = 0;
  if (controllers.length === 0) return 1;
  for (let round = 1; round <= maxRounds; round++) {
    for (const controller of controllers) {
      const writes = controller.reconcile(resources);
      if (writes.length === 0) quiet++;
      else {
        commit(writes);
        quiet = 0;
      }
      // All the others after the last writer, and that writer again, had nothing to write.
      if (quiet >= controllers.length) return round;
    }
  }
  const restless = controllers.flatMap((controller) => {
    const writes = controller.reconcile(resources);
    return writes.length === 0 ? [] : [`${controller.name} (${writes.length}, for example ${writes[0]?.key})`];
  });
  throw new Error(`controllers do not come to rest after ${maxRounds} rounds; still writing: ${restless.join(", ")}`);
}
