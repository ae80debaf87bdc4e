import { Group, Title } from '@mantine/core'
import { Fragment, type ReactNode, useId } from 'react'
import classes from './Panel.module.css'

/** A titled box: one subject of a page. */
export function Panel(props: {
  title?: ReactNode
  aside?: ReactNode
  tight?: boolean
  flush?: boolean
  children: ReactNode
}) {
  const id = useId()
  return (
    <section
      className={classes.panel}
      data-tight={props.tight || undefined}
      data-flush={props.flush || undefined}
      aria-labelledby={props.title ? id : undefined}
    >
      {props.title && (
        <Group justify="space-between" mb="md" wrap="wrap" gap="xs">
          <Title order={2} size="h5" id={id}>
            {props.title}
          </Title>
          {props.aside}
        </Group>
      )}
      {props.children}
    </section>
  )
}

/** Names and values. What is `undefined` is left out. */
export function Facts({ of }: { of: [name: string, value: ReactNode][] }) {
  return (
    <dl className={classes.facts}>
      {of.map(([name, value]) =>
        value === undefined ? null : (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ),
      )}
    </dl>
  )
}
