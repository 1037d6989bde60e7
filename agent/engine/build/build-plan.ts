import { ShoalError } from '../../../src/base/errors.ts'
import type { BuildRequest } from '../../../src/api/engine/build-request.ts'
import { dockerfileError } from './dockerfile-error.ts'
import type { Instruction } from './instruction.ts'
import type { ParsedDockerfile } from './parse-dockerfile.ts'
import { readInstruction } from './read-instruction.ts'

/** More would make an image that no kernel mounts. */
const STEPS_MAX = 2000

/** All steps of a build in order, up to the stage that is asked for, with the labels of the command line at the end. @throws `bad-dockerfile`, `unknown-target` (both invalid-argument) */
export function planBuild(dockerfile: ParsedDockerfile, { target, labels }: Pick<BuildRequest, 'target' | 'labels'>): readonly Instruction[] {
  if (dockerfile.nodes.length > STEPS_MAX) throw dockerfileError(`${dockerfile.nodes.length} instructions are too many; ${STEPS_MAX} are allowed`)
  const instructions = dockerfile.nodes.map(node => readInstruction(node, dockerfile.escape))
  const first = instructions.findIndex(instruction => instruction.kind !== 'arg')
  if (first < 0 || instructions[first]?.kind !== 'from') throw new ShoalError('invalid-argument', 'bad-dockerfile', 'no build stage in current context')
  const added = Object.keys(labels).sort().map(key => ({ kind: 'label' as const, pairs: [[quoted(key), quoted(labels[key] ?? '')] as const], original: `LABEL ${key}=${labels[key] ?? ''}`, line: 0 }))
  return [...untilTarget(instructions, target), ...added]
}

function untilTarget(instructions: readonly Instruction[], target: string): readonly Instruction[] {
  if (target === '') return instructions
  let stage = -1
  let found = false
  for (const [at, instruction] of instructions.entries()) {
    if (instruction.kind !== 'from') continue
    if (found) return instructions.slice(0, at)
    stage++
    found = instruction.name === target.toLowerCase() || String(stage) === target
  }
  if (!found) throw new ShoalError('invalid-argument', 'unknown-target', `failed to reach build target ${target} in Dockerfile`)
  return instructions
}

/** Labels of the command line are not expanded. */
function quoted(text: string): string { return text.split("'").map(part => `'${part}'`).join(`"'"`) }
