import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import type { ImageSummary } from '../../api/engine/engine-json.ts'
import { ShoalError } from '../../base/errors.ts'
import { humanSize } from '../../base/human-size.ts'
import { print, type CliContext } from '../cli-context.ts'
import { humanDuration, shortId } from '../output/human.ts'
import { renderList } from '../output/list.ts'
import { printProgress } from '../output/progress-lines.ts'
import { collect } from './collect.ts'
import { splitTag } from './registry-commands.ts'

type ImageRow = Readonly<Record<'Repository' | 'Tag' | 'ID' | 'CreatedSince' | 'Size', string>>

/** `shoal images|import|load|save|tag|history|rmi` */
export function addImageCommands(program: Command, context: CliContext): void {
  program.command('images').description('List images of this host').option('-q, --quiet', 'only ids').option('-a, --all', 'all').option('--format <format>', 'table, json or a template').action(async (options: { quiet?: boolean; all?: boolean; format?: string }) => {
    const images = await context.api().get<readonly ImageSummary[]>('/images/json', { all: options.all === true })
    const rows = images.flatMap(image => (image.RepoTags === undefined || image.RepoTags === null || image.RepoTags.length === 0 ? ['<none>:<none>'] : image.RepoTags).map(tag => toRow(image, tag, context.clock.nowMs())))
    print(context, renderList<ImageRow>({ columns: [['REPOSITORY', 'Repository'], ['TAG', 'Tag'], ['IMAGE ID', 'ID'], ['CREATED', 'CreatedSince'], ['SIZE', 'Size']], rows }, options))
  })

  program.command('import').description('Make an image from a tar of a root file system').argument('<file>', 'tar file; - for standard input').argument('[repository:tag]').option('-c, --change <instruction>', 'Dockerfile instruction', collect).option('-m, --message <text>')
    .action(async (file: string, reference: string | undefined, options: { change?: readonly string[]; message?: string }) => {
      const at = reference?.lastIndexOf(':') ?? -1
      const hasTag = at > (reference?.lastIndexOf('/') ?? -1)
      const stream = await context.api().stream('POST', '/images/create', {
        query: { fromSrc: '-', repo: reference === undefined ? undefined : hasTag ? reference.slice(0, at) : reference, tag: hasTag ? reference?.slice(at + 1) : undefined, message: options.message, changes: options.change },
        body: file === '-' ? context.stdin : createReadStream(file),
      })
      await printProgress(context, stream)
    })

  program.command('load').description('Load images from an archive of docker save').option('-i, --input <file>', 'archive; default: standard input').action(async (options: { input?: string }) => {
    await printProgress(context, await context.api().stream('POST', '/images/load', { query: { quiet: true }, body: options.input === undefined ? context.stdin : createReadStream(options.input) }))
  })

  program.command('save').description('Write images to an archive that load reads').argument('<image...>').option('-o, --output <file>', 'default: standard output').action(async (images: readonly string[], options: { output?: string }) => {
    if (options.output === undefined && context.stdout.isTTY === true) throw new ShoalError('invalid-argument', 'bad-usage', 'refusing to write an archive to a terminal; use -o or redirect')
    const stream = await context.api().stream('GET', '/images/get', { query: { names: images }, signal: context.signal })
    await pipeline(stream, options.output === undefined ? context.stdout : createWriteStream(options.output), { end: options.output !== undefined })
  })

  program.command('tag').description('Give an image another name').argument('<image>').argument('<name>').action(async (image: string, name: string) => {
    const [repo, tag] = splitTag(name)
    await context.api().json('POST', `/images/${image}/tag`, { query: { repo, tag } })
  })

  program.command('history').description('How an image was made').argument('<image>').option('-q, --quiet', 'only ids').option('--no-trunc', 'whole ids and commands').option('--format <format>', 'table, json or a template')
    .action(async (image: string, options: { quiet?: boolean; trunc: boolean; format?: string }) => {
      const steps = await context.api().get<readonly HistoryStep[]>(`/images/${image}/history`)
      const rows = steps.map(step => historyRow(step, context.clock.nowMs(), options.trunc))
      print(context, renderList<HistoryRow>({ columns: [['IMAGE', 'ID'], ['CREATED', 'CreatedSince'], ['CREATED BY', 'CreatedBy'], ['SIZE', 'Size'], ['COMMENT', 'Comment']], rows }, options))
    })

  program.command('rmi').description('Remove images').argument('<image...>').option('-f, --force', 'even if it is used').action(async (refs: readonly string[], options: { force?: boolean }) => {
    for (const ref of refs) {
      const removed = await context.api().json<readonly { Untagged?: string; Deleted?: string }[]>('DELETE', `/images/${ref}`, { query: { force: options.force === true } })
      for (const { Untagged: untagged, Deleted: deleted } of removed) print(context, untagged === undefined ? `Deleted: ${deleted ?? ''}` : `Untagged: ${untagged}`)
    }
  })
}

interface HistoryStep { readonly Id: string; readonly Created: number; readonly CreatedBy: string; readonly Size: number; readonly Comment: string }
type HistoryRow = Readonly<Record<'ID' | 'CreatedSince' | 'CreatedBy' | 'Size' | 'Comment', string>>

const COMMAND_WIDTH = 45
/** Of sizes, as the stock client. */
const SIZE_DIGITS = 3

function historyRow(step: HistoryStep, nowMs: number, isCut: boolean): HistoryRow {
  const command = step.CreatedBy.replaceAll('\t', ' ')
  return {
    ID: isCut && step.Id !== '<missing>' ? shortId(step.Id) : step.Id, CreatedSince: `${humanDuration(nowMs - step.Created * 1000)} ago`,
    CreatedBy: isCut && command.length > COMMAND_WIDTH ? `${command.slice(0, COMMAND_WIDTH - 1)}…` : command, Size: humanSize(step.Size, SIZE_DIGITS), Comment: step.Comment,
  }
}

function toRow(image: ImageSummary, reference: string, nowMs: number): ImageRow {
  const at = reference.lastIndexOf(':')
  return { Repository: reference.slice(0, at), Tag: reference.slice(at + 1), ID: shortId(image.Id ?? ''), CreatedSince: `${humanDuration(nowMs - (image.Created ?? 0) * 1000)} ago`, Size: humanSize(image.Size ?? 0, SIZE_DIGITS) }
}
