import type { Command } from "commander";
import { findHost } from "../../lab/ends.ts";
import { clusterOption, command, labOption, namespaceOption, type PlaceOptions } from "../command.ts";
import { connect } from "../connect.ts";
import type { Context } from "../context.ts";
import { endFailure } from "../ends.ts";
import { Failure } from "../failure.ts";
import { insideCommand, runInside } from "../inside.ts";
import { capturePackets } from "../pcap.ts";

type Options = PlaceOptions & { readonly lab?: string };

export function execCommand(context: Context): Command {
  const made = command("exec", "run a command on a host of the lab, with its network and this machine's files", [
    { does: "what does a pod see of the Service?", type: "drydock exec shop-azure:shop/deploy/web -- curl -s http://10.1.0.10/clientip" },
    { does: "routes of a node, from the kernel", type: "drydock exec shop-kubenet:node/000000 -- ip route" },
    { does: "a shell on the database machine", type: "drydock exec vm/db -- bash" },
  ]);
  return made
    .argument("<host>", "an end of a journey or a host's name")
    .argument("<command...>", "the command and its arguments, after --")
    .showHelpAfterError("put the command after two dashes: drydock exec HOST -- ls -l")
    .addOption(labOption())
    .addOption(clusterOption())
    .addOption(namespaceOption())
    .addHelpText("after", "\nExit status: that of the command.\n")
    .action(async (written: string, words: readonly string[]) => {
      const options = made.opts<Options>();
      const live = await connect(context, options.lab);
      const found = findHost(await live.view(), written, options);
      if ("problem" in found) throw endFailure(found.problem);
      context.exitStatus = await runInside(context, await insideCommand(context, live, found.found, words));
    });
}

export function captureCommand(context: Context): Command {
  const made = command("capture", "capture a host's packets as pcap on standard output", [
    { does: "into Wireshark", type: "drydock capture shop-kubenet:node/000000 | wireshark -k -i -" },
    { does: "only what goes to the database, into a file", type: "drydock capture vm/db -- port 5432 > db.pcap" },
    { does: "as text", type: "drydock capture vm/db | tcpdump -nr -" },
  ]);
  return made
    .argument("<host>", "an end of a journey or a host's name")
    .argument("[filter...]", "a tcpdump filter, after --")
    .option("-i, --interface <name>", "one interface of the host (default: its only one, else all)")
    .option("-c, --count <packets>", "end after so many packets")
    .addOption(labOption())
    .addOption(clusterOption())
    .addOption(namespaceOption())
    .action(async (written: string, filter: readonly string[]) => {
      const options = made.opts<Options & { readonly interface?: string; readonly count?: string }>();
      if (context.stdout.isTTY === true) {
        throw new Failure("usage", "standard output is a terminal, and pcap is not for reading", {
          fix: "pipe it: drydock capture HOST | wireshark -k -i -   or   drydock capture HOST | tcpdump -nr -",
        });
      }
      const live = await connect(context, options.lab);
      const view = await live.view();
      const found = findHost(view, written, options);
      if ("problem" in found) throw endFailure(found.problem);
      const names = (view.network.host(found.found)?.interfaces ?? []).filter((one) => one.kind !== "loopback").map((one) => one.name);
      const device = options.interface ?? (names.length === 1 ? names[0] : undefined) ?? "any";
      if (options.interface !== undefined && !names.includes(options.interface) && !["any", "lo"].includes(options.interface)) {
        throw new Failure("unknown", `${found.found} has no interface ${options.interface}`, {
          fix: `its interfaces are ${names.join(", ")}`,
        });
      }
      if (options.count !== undefined && !/^[1-9]\d{0,8}$/.test(options.count)) {
        throw new Failure("usage", `${options.count} is no count`, { fix: "give a whole number" });
      }
      const words = ["__capture", device, options.count ?? "", filter.join(" ")];
      const command = [process.execPath, process.argv[1] ?? "", ...words];
      const status = await runInside(context, await insideCommand(context, live, found.found, command));
      // Ended by Ctrl-C or by a closed pipe is how captures end.
      context.exitStatus = status === 130 || status === 141 ? 0 : status;
    });
}

/** The part of `capture` that runs inside the lab. */
export function captureInsideCommand(): Command {
  return command("__capture", "packets of this namespace as pcap on standard output")
    .argument("<device>")
    .argument("<count>")
    .argument("<filter>")
    .action(async (device: string, count: string, filter: string) => {
      // Blocked in libpcap, only the default action of a signal ends the process.
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"] as const) process.removeAllListeners(signal);
      capturePackets({ device, count: count === "" ? undefined : Number(count), filter });
    });
}
