import { createReadStream } from 'node:fs'
import type { Command } from 'commander'
import type { ImageSummary } from '../../api/engine/engine-json.ts'
import { print, type CliContext } from '../cli-context.ts'
import { humanDuration, humanSize, shortId } from '../output/human.ts'
import { renderList } from '../output/list.ts'
import { collect } from './collect.ts'

type ImageRow = Readonly<Record<'Repository' | 'Tag' | 'ID' | 'CreatedSince' | 'Size', string>>

/** `shoal images|import|load|rmi` */
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

  program.command('rmi').description('Remove images').argument('<image...>').option('-f, --force', 'even if it is used').action(async (refs: readonly string[], options: { force?: boolean }) => {
    for (const ref of refs) {
      const removed = await context.api().json<readonly { Untagged?: string; Deleted?: string }[]>('DELETE', `/images/${ref}`, { query: { force: options.force === true } })
      for (const { Untagged: untagged, Deleted: deleted } of removed) print(context, untagged === undefined ? `Deleted: ${deleted ?? ''}` : `Untagged: ${untagged}`)
    }
  })
}

/** Prints the messages of a JSON progress stream; an error in it fails the command. */
async function printProgress(context: CliContext, stream: AsyncIterable<unknown>): Promise<void> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  for (const line of text.split('\n').filter(part => part.trim() !== '')) {
    const message = JSON.parse(line) as { status?: string; stream?: string; error?: string }
    if (message.error !== undefined) throw new Error(message.error)
    print(context, (message.status ?? message.stream ?? '').trimEnd())
  }
}

function toRow(image: ImageSummary, reference: string, nowMs: number): ImageRow {
  const at = reference.lastIndexOf(':')
  return { Repository: reference.slice(0, at), Tag: reference.slice(at + 1), ID: shortId(image.Id ?? ''), CreatedSince: `${humanDuration(nowMs - (image.Created ?? 0) * 1000)} ago`, Size: humanSize(image.Size ?? 0) }
}
