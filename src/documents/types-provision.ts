import type { ModeText, OwnerText } from "./types.ts";

/** What is done inside a root once it stands. */
export interface ProvisionSpec {
  readonly files?: readonly MergedFileSpec[];
  readonly steps?: readonly ProvisionStepSpec[];
  readonly resolvConf?: "host" | "keep";
}

/** A file of the root that is put together from files of the documents' folder. */
export interface MergedFileSpec {
  readonly path: string;
  readonly from: readonly string[];
  readonly mode?: ModeText;
  readonly owner?: OwnerText;
}

/** Exactly one of `run` and `packages`. */
export interface ProvisionStepSpec {
  readonly name: string;
  readonly run?: string | readonly (readonly string[])[];
  readonly packages?: PackagesSpec;
  readonly on?: "root" | "host";
  readonly inputs?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Variables by the file of the host that has their value. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** "90s", "10m", "1h". */
  readonly timeout?: string;
}

export interface PackagesSpec {
  readonly adapter: "apt" | "portage" | "command";
  readonly install?: readonly string[];
  readonly remove?: readonly string[];
  readonly refresh?: boolean;
  readonly recommends?: boolean;
  readonly commands?: { readonly list: string; readonly install: string; readonly remove: string };
}
