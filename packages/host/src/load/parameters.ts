import { type HostConfig, type Settings } from "@dp/core";
import { DatapathError } from "@dp/sys";
import { DEFAULT_PARAMETERS, LISTENER_PORTS, type LoadOptions, type LoadParameters } from "./options.ts";

/** What a load stores: the configuration for the programs, and the settings for later commands. */
export interface Stored {
  config: HostConfig;
  settings: Settings;
}

/** The parameters of the options; else those of the last load; else the defaults. */
export function chooseParameters(options: LoadOptions, old: Stored | undefined): LoadParameters {
  const before = old === undefined ? DEFAULT_PARAMETERS : parametersOf(old);
  const keys = Object.keys(DEFAULT_PARAMETERS) as (keyof LoadParameters)[];
  const given = Object.fromEntries(keys.flatMap((key) => (options[key] === undefined ? [] : [[key, options[key]]])));
  const parameters = { ...before, ...given };
  requireDifferentPorts(parameters);
  return parameters;
}

function parametersOf({ config, settings }: Stored): LoadParameters {
  const { hostSubnets, containerSubnets, ...ports } = config;
  return {
    hostSubnet: hostSubnets.ipv4 ?? DEFAULT_PARAMETERS.hostSubnet,
    containerSubnet: containerSubnets.ipv4 ?? DEFAULT_PARAMETERS.containerSubnet,
    portRange: settings.portRange,
    ...ports,
  };
}

function requireDifferentPorts(parameters: LoadParameters): void {
  const ports = LISTENER_PORTS.map((key) => parameters[key]);
  if (new Set(ports).size === ports.length) return;
  const listed = LISTENER_PORTS.map((key) => `${listenerName(key)} has ${parameters[key]}`).join(", ");
  throw new DatapathError("BAD_USAGE", undefined, `the proxy's listeners need three different ports: ${listed}`);
}

/** "HTTP" */
export function listenerName(key: (typeof LISTENER_PORTS)[number]): string {
  return key.replace("Port", "").toUpperCase();
}

/** The configuration and the settings with these parameters. */
export function storedOf(
  { hostSubnet, containerSubnet, portRange, ...ports }: LoadParameters,
  { uplink, publicAddresses }: Pick<Settings, "uplink" | "publicAddresses">,
): Stored {
  return {
    config: { hostSubnets: { ipv4: hostSubnet }, containerSubnets: { ipv4: containerSubnet }, ...ports },
    settings: { portRange, uplink, publicAddresses },
  };
}
