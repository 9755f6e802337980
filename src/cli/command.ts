/** What all commands share: examples in the help, and the options that name a lab and the ends of a journey. */

import { Command, Option } from "commander";
import { vias } from "../lab/endpoints.ts";

export type Example = { readonly does: string; readonly type: string };

const examples = new WeakMap<Command, readonly Example[]>();

/** A command with a one-line summary, which help lists, and examples, which its own help ends with. */
export function command(name: string, summary: string, shown: readonly Example[] = []): Command {
  const made = new Command(name).summary(summary).description(summary);
  examples.set(made, shown);
  if (shown.length > 0) {
    made.addHelpText("after", () => `\nExamples:\n${shown.map(({ does, type }) => `  # ${does}\n  ${type}\n`).join("\n")}`);
  }
  return made;
}

export function examplesOf(made: Command): readonly Example[] {
  return examples.get(made) ?? [];
}

export type LabOptions = { readonly lab?: string };

export function labOption(description = "the lab, when several are running (default: the only one)"): Option {
  return new Option("--lab <name>", description).env("DRYDOCK_LAB");
}

export type FileOptions = { readonly file?: readonly string[] };

/** For commands that work on documents as well as on a running lab. */
export function fileOption(description = "work on these documents instead of a running lab"): Option {
  return new Option("-f, --file <file...>", description);
}

export type PlaceOptions = { readonly cluster?: string; readonly namespace?: string };

export function clusterOption(): Option {
  return new Option("--cluster <name>", "the cluster, when the lab has several");
}

export function namespaceOption(): Option {
  return new Option("-n, --namespace <name>", "the namespace of pods, workloads and Services");
}

export function viaOption(): Option {
  return new Option(
    "--via <address>",
    "by which address to reach a Service (default: its cluster address from inside the cluster, else the load balancer's)",
  ).choices(vias);
}

export function protocolOption(): Option {
  return new Option("--protocol <name>", "protocol of the packet (default: what the target listens on)").choices(["tcp", "udp", "icmp"]);
}
