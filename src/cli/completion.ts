/** Completion: shells ask the command itself what may come next, so that names of labs and ends are always current. */

import type { Argument, Command, Option } from "commander";

/** What completes a word, by the name of an argument or option that it stands for. */
export type Names = {
  readonly ends: () => Promise<readonly string[]>;
  readonly hosts: () => Promise<readonly string[]>;
  readonly labs: () => Promise<readonly string[]>;
  readonly pools: () => Promise<readonly string[]>;
  readonly clusters: () => Promise<readonly string[]>;
  /** Of what a fault of this kind can hit. */
  readonly faultTargets: (kind: string) => Promise<readonly string[]>;
  readonly faults: () => Promise<readonly string[]>;
  readonly namespaces: () => Promise<readonly string[]>;
};

/** `words`: those after `drydock`, the last one being completed (and so maybe empty). Shells add files themselves. */
export async function complete(program: Command, words: readonly string[], names: Names): Promise<readonly string[]> {
  const current = words.at(-1) ?? "";
  let command = program;
  let position = 0;
  let awaited: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (awaited !== undefined) {
      awaited = undefined;
      continue;
    }
    if (word.startsWith("-")) {
      const option = optionOf(command, word);
      if (option !== undefined && (option.required || option.optional) && !word.includes("=")) awaited = option;
      continue;
    }
    const child = position === 0 ? childOf(command, word) : undefined;
    if (child === undefined) position++;
    else command = child;
  }
  const list =
    awaited !== undefined
      ? await forOption(awaited, names)
      : current.startsWith("-")
        ? optionsOf(command)
        : [
            ...(position === 0 ? command.commands.filter((child) => !isHidden(child)).map((child) => child.name()) : []),
            ...(await forArgument(argumentAt(command, position), words.at(-2) ?? "", names)),
          ];
  return [...new Set(list)].filter((name) => name.startsWith(current)).sort();
}

function childOf(command: Command, word: string): Command | undefined {
  return command.commands.find((child) => child.name() === word || child.aliases().includes(word));
}

function isHidden(command: Command): boolean {
  return command.name().startsWith("__");
}

function optionOf(command: Command, word: string): Option | undefined {
  const flag = word.split("=")[0];
  return command.options.find((option) => option.long === flag || option.short === flag);
}

function optionsOf(command: Command): string[] {
  return [...command.options.flatMap((option) => option.long ?? option.short ?? []), "--help"];
}

function argumentAt(command: Command, position: number): Argument | undefined {
  const { registeredArguments } = command;
  return registeredArguments[position] ?? (registeredArguments.at(-1)?.variadic === true ? registeredArguments.at(-1) : undefined);
}

async function forArgument(argument: Argument | undefined, before: string, names: Names): Promise<readonly string[]> {
  if (argument === undefined) return [];
  if (argument.argChoices !== undefined) return argument.argChoices;
  switch (argument.name()) {
    case "from":
    case "to":
      return names.ends();
    case "host":
      return [...(await names.ends()), ...(await names.hosts())];
    case "fault":
      return names.faults();
    case "fault-target":
      return names.faultTargets(before);
    case "pool":
      return names.pools();
    default:
      return [];
  }
}

async function forOption(option: Option, names: Names): Promise<readonly string[]> {
  if (option.argChoices !== undefined) return option.argChoices;
  switch (option.long) {
    case "--lab":
    case "--name":
      return names.labs();
    case "--cluster":
      return names.clusters();
    case "--namespace":
      return names.namespaces();
    default:
      return [];
  }
}

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** To be read by the shell. Candidates with a colon are whole words: each script turns off what its shell does with colons. */
export function completionScript(shell: Shell): string {
  switch (shell) {
    case "bash":
      return `# drydock completion for bash: source <(drydock completion bash)
_drydock() {
  local line=\${COMP_LINE:0:COMP_POINT} words current prefix
  read -ra words <<<"$line"
  [[ $line == *" " ]] && words+=("")
  current=\${words[-1]}
  # bash breaks words at colons: only what comes after the last one is replaced.
  prefix=""
  [[ $COMP_WORDBREAKS == *:* && $current == *:* ]] && prefix=\${current%"\${current##*:}"}
  local IFS=$'\\n'
  COMPREPLY=($("\${words[0]}" __complete -- "\${words[@]:1}" 2>/dev/null))
  COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  [[ \${#COMPREPLY[@]} -gt 0 ]] || compopt -o default 2>/dev/null
}
complete -F _drydock drydock
`;
    case "zsh":
      return `#compdef drydock
# drydock completion for zsh: source <(drydock completion zsh)
_drydock() {
  local -a candidates
  candidates=("\${(@f)$("\${words[1]}" __complete -- "\${(@)words[2,$CURRENT]}" 2>/dev/null)}")
  candidates=("\${(@)candidates:#}")
  if (( \${#candidates} )); then compadd -Q -- "\${candidates[@]}"; else _files; fi
}
compdef _drydock drydock
`;
    case "fish":
      return `# drydock completion for fish: drydock completion fish | source
function __drydock_complete
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c drydock -a '(__drydock_complete)'
`;
    default:
      throw new Error(`unknown shell ${String(shell satisfies never)}`);
  }
}
