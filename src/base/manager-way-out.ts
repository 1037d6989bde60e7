/** How an operator goes on with a manager whose log or state is damaged, for the end of a message. */
export const MANAGER_WAY_OUT = 'This manager does not start, so that it cannot vote or answer without knowing what it has promised. If most of the other managers are up: '
  + 'run "docker swarm leave --force" here, "docker node demote" and "docker node rm --force" for this node on another manager, then join again here with a manager\'s token. '
  + 'If it is the only manager: restore the folder from a backup'
