/** Something is broken on purpose: mend it. */

import { type Fault, faultText } from "../../arm/faults.ts";
import type { LabView } from "../../lab/view.ts";
import { armKey } from "../../resources/resources.ts";
import type { Change } from "../change.ts";

export function forFault(view: LabView, id: string): readonly Change[] {
  const fault = view.resources.get(armKey(id)) as Fault | undefined;
  if (fault === undefined) return [];
  return [
    {
      kind: "fault",
      what: `mend what is broken: ${faultText(fault.properties)} (drydock fault remove ${fault.name})`,
      owner: "whoever broke it",
      writes: () => [{ key: armKey(id), value: undefined }],
    },
  ];
}
