"""What every component is built from: REST client, informers, work queue, controllers; and the `nanokube` command."""
