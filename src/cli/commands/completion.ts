import { Argument, type Command } from "commander";
import { isFaultKind } from "../../arm/faults.ts";
import { endNames } from "../../lab/ends.ts";
import { faultTargets } from "../../lab/faults.ts";
import type { LabView } from "../../lab/view.ts";
import { command } from "../command.ts";
import { complete, completionScript, type Names, type Shell, shells } from "../completion.ts";
import { connect, runningLabs } from "../connect.ts";
import type { Context } from "../context.ts";
import { Failure } from "../failure.ts";
import { isFile, openFiles } from "../files.ts";

export function completionCommand(context: Context): Command {
  return command("completion", "print what makes a shell complete commands, labs and names", [
    { does: "for this bash", type: "source <(drydock completion bash)" },
    { does: "for every zsh", type: "drydock completion zsh > ~/.zsh/completions/_drydock" },
    { does: "for every fish", type: "drydock completion fish > ~/.config/fish/completions/drydock.fish" },
  ])
    .addArgument(new Argument("<shell>", "which shell").choices(shells))
    .action((shell: Shell) => {
      context.stdout.write(completionScript(shell));
    });
}

/** What the scripts call: `drydock __complete -- trace deploy/w`. */
export function completeCommand(context: Context, program: () => Command): Command {
  return command("__complete", "candidates for the last word")
    .argument("[words...]")
    .action(async (words: readonly string[]) => {
      const candidates = await complete(program(), words, namesFor(context, words));
      context.stdout.write(candidates.map((candidate) => `${candidate}\n`).join(""));
    });
}

/** Names of the file that is on the line already, else of the running lab. Nobody waits for an error while completing. */
function namesFor(context: Context, words: readonly string[]): Names {
  let opened: Promise<LabView | undefined> | undefined;
  const view = () => {
    opened ??= openQuietly(context, words);
    return opened;
  };
  const from = (list: (lab: LabView) => Iterable<string>) => async () => {
    const lab = await view();
    return lab === undefined ? [] : [...list(lab)];
  };
  return {
    ends: from(endNames),
    hosts: from((lab) => lab.network.names()),
    clusters: from((lab) => lab.topology.clusters.keys()),
    namespaces: from((lab) => lab.endpoints.flatMap((endpoint) => endpoint.namespace ?? [])),
    pools: from((lab) =>
      lab.resources.list("microsoft.containerservice/managedclusters/agentpools").flatMap((pool) => ("name" in pool ? pool.name : [])),
    ),
    faultTargets: async (kind) => {
      const lab = await view();
      return lab === undefined || !isFaultKind(kind) ? [] : faultTargets(lab, kind).map(({ label }) => label);
    },
    faults: from((lab) => lab.topology.faults.map(({ name }) => name)),
    labs: async () => (await runningLabs(context)).map((lab) => lab.name),
  };
}

async function openQuietly(context: Context, words: readonly string[]): Promise<LabView | undefined> {
  const files = words.slice(0, -1).filter((word) => isFile(context, word));
  const lab = words.indexOf("--lab");
  const silent: Context = { ...context, stderr: { write: () => true } };
  try {
    if (files.length > 0) return openFiles(silent, files).view;
    const live = await connect(silent, lab < 0 ? undefined : words[lab + 1]);
    return await live.view();
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
