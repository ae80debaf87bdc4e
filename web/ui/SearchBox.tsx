import { Kbd, TextInput } from '@mantine/core'
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks'
import { Search } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { Icon } from './Icon.tsx'

/** How long typing must pause before the list asks the server. Shorter: a request per letter; longer: feels slow. */
const pauseMs = 250

/** The search of a page: `/` goes there. */
export function SearchBox(props: {
  label: string
  value: string
  onChange: (value: string) => void
  className?: string | undefined
}) {
  const [text, setText] = useState(props.value)
  const input = useRef<HTMLInputElement>(null)
  const tell = useDebouncedCallback(props.onChange, pauseMs)
  useEffect(() => setText(props.value), [props.value])
  useHotkeys([['/', () => input.current?.focus()]])
  return (
    <TextInput
      ref={input}
      className={props.className ?? ''}
      size="xs"
      type="search"
      aria-label={props.label}
      placeholder={props.label}
      value={text}
      leftSection={<Icon of={Search} small />}
      rightSection={text ? null : <Kbd size="xs">/</Kbd>}
      onChange={event => {
        setText(event.currentTarget.value)
        tell(event.currentTarget.value)
      }}
    />
  )
}
