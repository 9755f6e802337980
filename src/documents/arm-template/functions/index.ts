/** All functions that know nothing but their arguments, by their names in lower case: Resource Manager compares names without case. */

import { addressFunctions } from "./addresses.ts";
import type { PureFunction } from "./arguments.ts";
import { dateFunctions } from "./dates.ts";
import { textFunctions } from "./texts.ts";
import { valueFunctions } from "./values.ts";

export const pureFunctions: ReadonlyMap<string, PureFunction & { readonly name: string }> = new Map(
  Object.entries({ ...valueFunctions, ...textFunctions, ...addressFunctions, ...dateFunctions }).map(([name, made]) => [
    name.toLowerCase(),
    { ...made, name },
  ]),
);
