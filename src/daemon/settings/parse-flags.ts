import { Command, CommanderError, Option } from 'commander'
import { messageOf } from '../../base/errors.ts'
import { badConfig } from './setting-types.ts'
import type { Setting } from './setting.ts'
import { SETTING_ROWS } from './settings.ts'
import { VERSION } from '../version.ts'

/** The command line, read but not yet judged. */
export interface ParsedFlags {
  /** By daemon.json key; the words of all times it was given. */
  readonly words: ReadonlyMap<string, readonly string[]>
  /** Empty: the usual place, where it need not exist. */
  readonly configFile: string
  /** --validate: only say whether this configuration is fine. */
  readonly validate: boolean
}

/**
 * @throws ShoalError `bad-daemon-config` on unknown flags
 * @throws CommanderError with exit code 0 after --help and --version, which print
 */
export function parseFlags(argv: readonly string[]): ParsedFlags {
  const command = new Command('shoal daemon').exitOverride().configureOutput({ writeErr: () => {} }).allowExcessArguments(false)
    .description('Runs the engine and this host\'s part of the cluster')
    .version(`Shoal version ${VERSION}`, '-v, --version', 'print the version and quit')
    .option('--config-file <file>', 'configuration file (default /etc/shoal/daemon.json)')
    .option('--validate', 'check the configuration and quit')
    .addHelpText('after', '\nThe keys of daemon.json are those of dockerd. Flags of dockerd that are not listed are accepted where they change nothing, or refused with a reason.')
  const options = SETTING_ROWS.flatMap(([, setting]) => (setting.flag === undefined ? [] : [{ setting, option: optionOf(setting, setting.flag) }]))
  for (const { option } of options) command.addOption(option)
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) throw error
    throw badConfig(`${messageOf(error).replace(/^error: /, '')}; see shoal daemon --help`)
  }
  const words = new Map<string, readonly string[]>()
  for (const { setting, option } of options) {
    const given = command.getOptionValue(option.attributeName()) as readonly string[] | true | undefined
    if (given !== undefined) words.set(setting.key, given === true ? ['true'] : given)
  }
  return { words, configFile: (command.getOptionValue('configFile') as string | undefined) ?? '', validate: command.getOptionValue('validate') === true }
}

/** A switch may carry a value (--icc=false), as in dockerd. */
function optionOf(setting: Setting, flag: string): Option {
  const collect = (value: string, previous: unknown): readonly string[] => [...(Array.isArray(previous) ? previous as readonly string[] : []), value]
  const option = new Option(setting.type.flagForm === 'switch' ? `${flag} [bool]` : flag, helpOf(setting)).argParser(collect)
  // --no-proxy and --no-new-privileges are names, not the opposites of others.
  option.negate = false
  return setting.kind === 'working' ? option : option.hideHelp()
}

function helpOf(setting: Setting): string {
  return setting.kind === 'working' ? setting.help : setting.why
}
