/** Rules of names, labels and ports, in the API server's words (k8s, apimachinery/pkg/util/validation). Each gives what is wrong, or nothing. */

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

export function dnsLabel(text: string): string | undefined {
  if (text.length > 63) return "must be no more than 63 characters";
  if (label.test(text)) return undefined;
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
}

/** Names of most objects. */
export function dnsSubdomain(text: string): string | undefined {
  if (text.length > 253) return "must be no more than 253 characters";
  if (text.split(".").every((part) => label.test(part))) return undefined;
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
}

/** Names of Services: they become a DNS name, which once could not start with a digit. */
export function dns1035Label(text: string): string | undefined {
  if (text.length > 63) return "must be no more than 63 characters";
  if (/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text)) return undefined;
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
}

/** Names of RBAC objects, and of kinds that nobody here knows: what may be a segment of a path. */
export function pathSegment(text: string): string | undefined {
  if (text === "." || text === "..") return `may not be '${text}'`;
  return /[/%]/.test(text) ? "may not contain '/' or '%'" : undefined;
}

/** Keys of labels and annotations (those in lower case): an optional DNS prefix and a slash, then a name. */
export function qualifiedName(text: string): string | undefined {
  const parts = text.split("/");
  const name = parts.at(-1) ?? "";
  if (parts.length > 2)
    return "a qualified name must consist of a name with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
  if (parts.length === 2) {
    const problem = dnsSubdomain(parts[0] ?? "");
    if (problem !== undefined) return `prefix part ${problem}`;
  }
  if (name.length === 0) return "name part must be non-empty";
  if (name.length > 63) return "name part must be no more than 63 characters";
  if (/^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)) return undefined;
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
}

export function labelValue(text: string): string | undefined {
  if (text.length > 63) return "must be no more than 63 characters";
  if (text === "" || /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text)) return undefined;
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
}

/** Names of container ports, and named target ports: IANA service names. */
export function portName(text: string): string | undefined {
  if (text.length > 15) return "must be no more than 15 characters";
  if (!/^[-a-z0-9]+$/.test(text)) return "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)";
  if (!/[a-z]/.test(text)) return "must contain at least one letter (a-z)";
  if (text.includes("--")) return "must not contain consecutive hyphens";
  return text.startsWith("-") || text.endsWith("-") ? "must not begin or end with a hyphen" : undefined;
}

/** Keys of ConfigMaps and Secrets. */
export function configKey(text: string): string | undefined {
  if (text.length > 253) return "must be no more than 253 characters";
  if (text === "." || text.startsWith("..")) return "must not be '.' and must not start with '..'";
  return /^[-._a-zA-Z0-9]+$/.test(text) ? undefined : "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
}
