/** HostConfig.LogConfig.Config: the `--log-opt`s of a container. */
export type LogOptionValues = Readonly<Record<string, string>>
