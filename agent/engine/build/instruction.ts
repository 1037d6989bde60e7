import type { HealthConfig } from '../../../src/api/engine/engine-json.ts'
import type { Heredoc } from './parse-dockerfile.ts'
import type { KeyValue } from './split-instruction.ts'

/** A command line: words as they are, or one text for the shell. */
export interface CommandLine { readonly shell: boolean; readonly words: readonly string[] }

/** One instruction of a Dockerfile, understood but not expanded. `original` is its text, `line` where it begins. */
export type Instruction = { readonly original: string; readonly line: number } & (
  | { readonly kind: 'from'; readonly image: string; readonly name: string | undefined; readonly platform: string | undefined }
  | { readonly kind: 'run'; readonly command: CommandLine; readonly heredocs: readonly Heredoc[]; readonly mounts: readonly string[]; readonly network: string | undefined }
  | { readonly kind: 'cmd' | 'entrypoint'; readonly command: CommandLine }
  | { readonly kind: 'shell'; readonly words: readonly string[] }
  | { readonly kind: 'env' | 'label'; readonly pairs: readonly KeyValue[] }
  | { readonly kind: 'arg'; readonly args: readonly (readonly [name: string, value: string | undefined])[] }
  | { readonly kind: 'expose' | 'volume'; readonly words: readonly string[] }
  | { readonly kind: 'user' | 'stopsignal' | 'maintainer'; readonly value: string }
  | { readonly kind: 'workdir'; readonly value: string }
  | { readonly kind: 'onbuild'; readonly trigger: string }
  | { readonly kind: 'healthcheck'; readonly health: HealthConfig }
  | CopyInstruction
)

export interface CopyInstruction {
  readonly kind: 'copy' | 'add'
  readonly sources: readonly string[]
  readonly destination: string
  readonly heredocs: readonly Heredoc[]
  readonly from: string | undefined
  readonly chown: string | undefined
  readonly chmod: string | undefined
  readonly checksum: string | undefined
  readonly exclude: readonly string[]
}
