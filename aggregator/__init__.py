"""One self-hosted program: many AI-news feeds in; feeds, pages and one weekly mail out.

The main flow, each step in the room that bears its name:

 1. ``scheduler`` ticks; ``tasks.due`` finds due rows and defers jobs to the ``taskqueue``.
 2. ``fetch`` gets many feeds at once: conditional GET, answered by bytes or "not modified"; a body whose
    hash is known stops here.
 3. ``pipeline.parse`` reads the bytes: usual documents at once, the rest in the child process of ``sandbox``.
 4. ``pipeline.identify`` gives every entry its key; identical repeats fold.
 5. ``pipeline.compare`` holds the hash of what was said against the stored hashes; only what is new or
    changed goes on.
 6. ``pipeline.clean`` makes the HTML safe.
 7. ``pipeline.language`` and ``excerpt`` say what language it is in, and how it begins.
 8. ``storage`` saves a batch of feeds in one transaction, validators and next due time included.
 9. What is new waits in a change table: ``pipeline.tag`` says what it is about, ``group`` joins it into stories.
10. ``pipeline.rank`` orders the stories, with reasons.
11. ``render`` makes feeds and pages; ``web`` serves them, ``publish`` puts files in place atomically.
12. ``pipeline.compose`` builds an Issue when its slot ends; it is frozen with its bytes and its recipients.
13. One Delivery row for each confirmed subscription is personalised and handed to ``mail``, then marked.

Due dates live in rows, the queue carries only ids, the clock remembers nothing.
"""

__version__ = "0.1.0"
