//! The order in which services of skynet run: that of one list of services, from which each gets
//! one message at a time.

use crate::skynet::{SKYNET, scratch};

#[test]
fn what_services_do_runs_in_the_order_of_skynet() {
    let main = "skynet.start(function()
          local d = skynet.newservice 'peer d'
          local a = skynet.newservice('peer', 'a', d)
          local b = skynet.newservice 'peer b'
          for word = 1, 2 do
            skynet.send(a, 'lua', word)
            skynet.send(b, 'lua', word)
          end
          io.write 'sent '
          skynet.sleep(2)
          skynet.call(a, 'lua', 3)
          io.write 'answered '
          skynet.sleep(2)
          local waits = true
          skynet.fork(function()
            skynet.call(b, 'lua', 4)
            waits = false
          end)
          while waits do
            io.write 'round '
            skynet.yield()
          end
          skynet.abort()
        end)";
    let peer = format!(
        "{SKYNET}local name, friend = ...
        skynet.start(function()
          skynet.dispatch('lua', function(session, _, word)
            io.write(name, word, ' ')
            if friend then skynet.send(tonumber(friend), 'lua', word) end
            if session ~= 0 then skynet.retpack(word) end
          end)
        end)"
    );
    let scratch = scratch("skynet_order", main);
    scratch.file("peer.lua", &peer);
    let ended = scratch.run(["run", "--threads", "1", "main.lua"]).expect_code(0);
    let expected = "sent a1 b1 d1 a2 b2 d2 a3 answered d3 round b4 round \n";
    assert_eq!(ended.stdout, expected);
}
