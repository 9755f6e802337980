/**
 * What AKS, its cloud controller and Kubernetes do unasked.
 *
 * A controller is level-triggered and pure: it reads the resources, computes what they should be, and returns the writes that are missing.
 * It never touches a kernel, a clock or a random source. Called again after its writes it returns none.
 */

import type { Resources, Write } from "../resources/resources.ts";

export type Controller = { readonly name: string; readonly reconcile: (resources: Resources) => readonly Write[] };
