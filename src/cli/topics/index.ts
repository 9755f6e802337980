/** All that `show` shows. A new topic is a line here. */

import type { Topic } from "../show-topic.ts";
import { addresses } from "./addresses.ts";
import { events, nodes, pods, services } from "./cluster.ts";
import { flows } from "./flows.ts";
import { hosts, interfaces } from "./hosts.ts";
import { kept } from "./kept.ts";
import { loadBalancer, snat } from "./load-balancer.ts";
import { outputs } from "./outputs.ts";
import { resources } from "./resources.ts";
import { routes } from "./routes.ts";
import { rules } from "./rules.ts";
import { securityRules } from "./security-rules.ts";

export const topics: readonly Topic[] = [
  resources,
  kept,
  outputs,
  nodes,
  pods,
  services,
  hosts,
  addresses,
  interfaces,
  routes,
  rules,
  securityRules,
  loadBalancer,
  snat,
  flows,
  events,
];
