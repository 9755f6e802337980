/** What keeps the daemon from doing what it was asked, as it goes over the control socket: as data, with what to do. */

import * as z from "zod";
import { StoreError } from "../store/store.ts";

export const troubleSchema = z.object({
  /**
   * `environment`: the machine cannot, such as a disk that is full. `request`: what was asked makes no sense. `not-found`: it names something that
   * is not there. `failed`: a defect.
   */
  code: z.enum(["environment", "request", "not-found", "failed"]),
  error: z.string(),
  fix: z.string().optional(),
});

export type Trouble = Readonly<z.infer<typeof troubleSchema>>;

export function troubleOf(error: unknown): Trouble {
  if (error instanceof StoreError && (error.code === "full" || error.code === "unwritable")) {
    return { code: "environment", error: error.message, fix: error.fix };
  }
  return { code: "failed", error: error instanceof Error ? error.message : String(error) };
}
